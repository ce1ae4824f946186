"""Puts the simulator on this machine, and says what is there of it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from marlbench.installation import pip_install
from marlbench.plugin import Finding

__all__ = ["VERSION", "findings", "install_simulator"]

VERSION = "2.4.1"
"""Of dm-meltingpot: later ones may be other games."""
ASSETS = "meltingpot-assets-2.3.0.tar.gz"
"""What the build of that version looks for in the folder for temporary files, else downloads."""
INSTALL = "marlbench env install meltingpot"
NEEDED = {
    "dmlab2d": "dmlab2d",
    "dm_env": "dm-env",
    "ml_collections": "ml-collections",
    "tree": "dm-tree",
    "absl": "absl-py",
    "immutabledict": "immutabledict",
    "networkx": "networkx",
}
"""Modules that substrates import, and the distributions that they are of."""


def install_simulator() -> None:
    """Install dm-meltingpot from its source at PyPI, if it is not there.

    RuntimeError with the remedy if that fails. Its build downloads trained bots for scenarios,
    which substrates do not have, unless it finds them; it is given an empty archive to find. What
    it says that it depends on, TensorFlow among it, is for the bots too. pip's cache is kept out
    of it: a wheel without bots must not be what a later install takes for the real one.
    """
    if version("dm-meltingpot") == VERSION:
        print(f"dm-meltingpot {VERSION} is installed")
        return
    if find_spec("pip") is None:
        raise RuntimeError("this Python has no pip: python -m ensurepip")
    with tempfile.TemporaryDirectory() as folder:
        empty_assets(Path(folder))
        options = ("--no-deps", "--no-cache-dir", "--disable-pip-version-check")
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, f"dm-meltingpot=={VERSION}"],
            env={**os.environ, "TMPDIR": folder},
        )
    importlib.invalidate_caches()
    if done.returncode:
        raise RuntimeError(f"pip could not install dm-meltingpot {VERSION}; its reason is above")


def empty_assets(folder: Path) -> None:
    """Write an archive with no bot in it where the build looks for one."""
    inside = folder / "assets" / "saved_models"
    inside.mkdir(parents=True)
    with tarfile.open(folder / ASSETS, "w:gz") as archive:
        archive.add(folder / "assets", "assets")


def findings() -> Iterator[Finding]:
    """Look for what substrates need."""
    lacks = [name for module, name in NEEDED.items() if find_spec(module) is None]
    there = [f"{name} {version(name)}" for name in NEEDED.values() if name not in lacks]
    yield Finding(
        f"packages from PyPI: {', '.join(there) or 'none'}"
        + (f"; missing {', '.join(lacks)}" if lacks else ""),
        not lacks,
        pip_install("meltingpot"),
    )
    found = version("dm-meltingpot")
    yield Finding(f"dm-meltingpot {VERSION}: {found or 'missing'}", found == VERSION, INSTALL)


def played() -> Finding:
    """Play a step of the paper's first substrate."""
    import numpy as np

    from marlbench_meltingpot.config import Config
    from marlbench_meltingpot.env import MeltingPot
    from marlbench_meltingpot.tasks import PAPER

    try:
        env = MeltingPot(PAPER[0], Config())
        env.reset(0)
        env.step(np.zeros(env.spec.num_agents, np.int64))
    except Exception as error:  # noqa: BLE001 - a simulator may raise anything
        reason = " ".join(str(error).split())
        return Finding(
            f"a step of {PAPER[0]}: {reason}", False, f"{pip_install('meltingpot')} && {INSTALL}"
        )
    return Finding(f"a step of {PAPER[0]}: {env.spec.simulator}", True)


def version(distribution: str) -> str | None:
    """Give the version of a distribution that is installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
