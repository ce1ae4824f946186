"""Clusters on this machine, and what the grid measures where nobody disturbs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributions import install

from tests.clusters import grids, slurm_here


@pytest.fixture(scope="session", autouse=True)
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Install the learner `patient`, for child processes."""
    site = tmp_path_factory.mktemp("site") / "packages"
    install(site, "patience", {"patient": grids.PATIENT})
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(site), before]))
    yield
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="session")
def peace(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The rows of the grid, played by the local executor."""
    results = tmp_path_factory.mktemp("peace") / "results"
    grids.play(results, "--workers", "2")
    return grids.rows(results)


@pytest.fixture(scope="session")
def all_of_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm_here.Slurm]:
    """A Slurm with two nodes."""
    if why := slurm_here.missing():
        pytest.skip(f"no Slurm: {why}")
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)  # munge wants its way to be closed to others' writing
    cluster = slurm_here.Slurm(folder)
    before, os.environ["SLURM_CONF"] = os.environ.get("SLURM_CONF"), str(folder / "slurm.conf")
    try:
        yield cluster
    finally:
        cluster.stop()
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before


@pytest.fixture
def slurm(all_of_slurm: slurm_here.Slurm) -> slurm_here.Slurm:
    """A Slurm both of whose nodes live."""
    for name in set(slurm_here.NODES) - all_of_slurm.processes.keys():
        all_of_slurm.start_node(name)
    return all_of_slurm


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder that all nodes see."""
    return tmp_path / "results"
