"""Grids on a real Slurm: its two ways, and what takes a node away."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from marlbench.store import runs
from tests.clusters import grids
from tests.clusters.slurm_here import Slurm

pytestmark = pytest.mark.slow
ON_SLURM = ["--executor", "slurm", "--workers", "2"]


def job_of(results: Path) -> str:
    """The number of the only job that was submitted."""
    (file,) = grids.until(lambda: list(results.glob(".slurm/*/job.json")))
    return str(json.loads(file.read_text())["job"])


def resumed_without_loss(results: Path) -> bool:
    """Whether every attempt but the first went on where the one before had got to."""
    for record in runs(results):
        last = 0
        for row in record.events():
            if row["event"] == "resumed" and row["env_steps"] != last:
                return False
            last = row["env_steps"] if row["event"] == "checkpoint" else last
    return True


def test_pre_emption_queues_the_job_again_and_its_runs_go_on(
    slurm: Slurm, results: Path, peace: dict[str, Any]
) -> None:
    with subprocess.Popen(grids.command(results, *ON_SLURM), stdout=subprocess.PIPE) as follower:
        job = job_of(results)
        grids.until(lambda: grids.checkpoints(results) >= 2)
        node = slurm.fact(job, "NodeList")
        slurm.run(
            "sbatch", "-p", "high", "-w", node, "-c", "4", "--output=/dev/null", "--wrap=sleep 3"
        )
        grids.until(lambda: slurm.fact(job, "Restarts") == "1", 60)
        told, _ = follower.communicate(timeout=400)
    assert follower.returncode == 0, told
    assert grids.rows(results) == peace
    assert [len(grids.attempts(record)) for record in runs(results)] == [2, 2]
    assert resumed_without_loss(results)


def test_a_time_limit_queues_the_job_again_and_its_runs_go_on(
    slurm: Slurm, results: Path, peace: dict[str, Any]
) -> None:
    """Of two minutes; Slurm gives notice up to half a minute earlier than it was asked to."""
    options = ["--set", "slurm.minutes=2", "--set", "slurm.notice=60"]
    grids.play(results, *ON_SLURM, *options)
    assert int(slurm.fact(job_of(results), "Restarts")) >= 1
    assert grids.rows(results) == peace
    assert all(len(grids.attempts(record)) >= 2 for record in runs(results))
    assert resumed_without_loss(results)


def test_who_follows_may_go_and_come_back(
    slurm: Slurm, results: Path, peace: dict[str, Any]
) -> None:
    follower = subprocess.Popen(grids.command(results, *ON_SLURM), stdout=subprocess.DEVNULL)
    job = job_of(results)
    grids.until(lambda: grids.checkpoints(results) >= 1)
    follower.kill()
    follower.wait()
    told = grids.play(results, *ON_SLURM)
    assert f"Slurm jobs {job}," in told  # no second one
    assert grids.rows(results) == peace
    assert [len(grids.attempts(record)) for record in runs(results)] == [1, 1]


def test_gpus_of_an_allocation_are_shared_by_its_runs(slurm: Slurm, results: Path) -> None:
    quick = ["--steps", "100", "--seeds", "4", "--set", "slurm.gpus=2", "--runs-per-gpu", "2"]
    told = grids.play(results, "--executor", "slurm", *quick)
    assert "GPU, 4 at a time" in told
    (log,) = results.glob(".slurm/*/*_0_log.out")
    assert log.read_text().count("starts") == 4
    assert slurm.fact(job_of(results), "TresPerNode") == "gres:gpu:2"


def test_an_array_job_needs_no_launcher(slurm: Slurm, results: Path) -> None:
    script = results.parent / "grid.sh"
    line = shlex.join([*grids.command(results, "--steps", "100", "--seeds", "5")])
    script.write_text(f"#!/bin/bash\nsrun {line} --workers 1 --shard auto\n")
    for number, array in ((0, "1-2"), (1, "10-20:5")):
        log = results.parent / f"log_{number}_%a"
        said = slurm.run(
            *("sbatch", "--wait", f"--array={array}", f"--output={log}", "-c", "1", str(script))
        )
        assert "Submitted" in said
        shares = [path.read_text() for path in sorted(results.parent.glob(f"log_{number}_*"))]
        named = [text.split("shard")[1].split(" runs")[0].split() for text in shares]
        of = len(shares)
        assert [words[0] for words in named] == [f"{each + 1}/{of}" for each in range(of)]
        assert all(words[-1] == "5" for words in named)
    assert [record.status for record in runs(results)] == ["done"] * 5
    assert [len(grids.attempts(record)) for record in runs(results)] == [1] * 5


@pytest.mark.parametrize("locks", [True, False], ids=["with locks", "where locks do not reach"])
def test_a_node_that_fails_leaves_its_old_workers_beside_the_new_ones(
    slurm: Slurm, results: Path, peace: dict[str, Any], tmp_path: Path, locks: bool
) -> None:
    """The node's daemon is dead, so nobody ends what it had started."""
    env = grids.SLOWER | ({} if locks else grids.without_locks(tmp_path / "site"))
    began = time.monotonic()
    with subprocess.Popen(
        grids.command(results, *ON_SLURM), stdout=subprocess.PIPE, env={**os.environ, **env}
    ) as follower:
        job = job_of(results)
        grids.until(lambda: grids.checkpoints(results) >= 2)
        node = slurm.fact(job, "NodeList")
        slurm.kill_node(node)
        killed = time.monotonic()
        try:
            grids.until(lambda: slurm.fact(job, "Restarts") == "1", 120)
            print(f"queued again {time.monotonic() - killed:.0f} s after the node", file=sys.stderr)
            told, _ = follower.communicate(timeout=500)
        finally:
            slurm.start_node(node)
    assert follower.returncode == 0, told
    assert grids.rows(results) == peace
    print(f"{time.monotonic() - began:.0f} s", grids.facts(results), file=sys.stderr)
