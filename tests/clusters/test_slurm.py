"""Grids on a real Slurm: its two ways, and what takes a node away."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from marlbench.store import runs
from tests.clusters import grids
from tests.clusters.slurm_here import Slurm

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"
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


def test_the_script_of_the_page_queues_its_job_again(
    slurm: Slurm, results: Path, peace: dict[str, Any]
) -> None:
    """As before a time limit: the job's step is asked to stop, and the rest is the script's."""
    text = PAGE.read_text(encoding="utf-8").split("```sh\n#!/bin/bash\n")[1].split("```")[0]
    ours = shlex.join([*grids.command(results), "--workers", "2", "--shard", "auto"])
    text = re.sub(r"(?<=^srun ).*$", lambda _: ours, text, flags=re.MULTILINE)
    text = re.sub(r"^#SBATCH --(array|gpus).*\n", "", text, flags=re.MULTILINE)
    script = results.parent / "grid.sh"
    script.write_text(f"#!/bin/bash\n{text}")
    log = results.parent / "log"
    said = slurm.run("sbatch", "--array=1-1", f"--output={log}", "-c", "2", str(script))
    job = said.split()[-1]
    grids.until(lambda: grids.checkpoints(results) >= 2)
    slurm.run("scancel", "--signal=TERM", job)
    grids.until(lambda: slurm.fact(f"{job}_1", "Restarts") == "1")
    grids.until(lambda: [each.status for each in grids.found(results)] == ["done"] * 2)
    assert grids.rows(results) == peace, log.read_text()
    assert [len(grids.attempts(record)) for record in runs(results)] == [2, 2]
    assert resumed_without_loss(results)


def test_a_node_that_fails_leaves_its_runs_to_the_workers_that_it_left(
    slurm: Slurm, results: Path, peace: dict[str, Any]
) -> None:
    """The node's daemon is dead, so nobody ends what it had started, and it is seen to live."""
    with followed(results, grids.SLOWER) as follower:
        lose_node(slurm, results)
        told, _ = follower.communicate(timeout=500)
    assert follower.returncode == 0, told
    assert grids.rows(results) == peace
    assert [len(grids.attempts(record)) for record in runs(results)] == [1, 1]


def test_workers_that_come_back_find_themselves_superseded(
    slurm: Slurm, results: Path, peace: dict[str, Any], tmp_path: Path
) -> None:
    """Where locks do not reach, on a node whose processes were held for more than two minutes."""
    with followed(results, grids.SLOWER | grids.without_locks(tmp_path / "site")) as follower:
        grids.until(lambda: grids.checkpoints(results) >= 2)
        workers = [psutil.Process(grids.attempts(each)[0]["pid"]) for each in runs(results)]
        old = [*workers, *filter(None, [workers[0].parent()])]
        for process in old:
            process.suspend()
        try:
            lose_node(slurm, results)
            grids.until(lambda: grids.checkpoints(results, attempt=2) >= 1, 300)
        finally:
            for process in old:
                process.resume()
        back = time.monotonic()
        psutil.wait_procs(workers, 60)
        beside = time.monotonic() - back
        told, _ = follower.communicate(timeout=500)
    assert follower.returncode == 0, told
    assert grids.rows(results) == peace
    print(f"the old workers ended {beside:.1f} s after they came back", grids.facts(results))
    assert [len(grids.attempts(record)) for record in runs(results)] == [2, 2]


def followed(results: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """A command that submits a job and follows it."""
    command = grids.command(results, *ON_SLURM)
    return subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **env})


def lose_node(slurm: Slurm, results: Path) -> None:
    """Kill the daemon of the node that plays, and wait until Slurm has given it up."""
    job = job_of(results)
    grids.until(lambda: grids.checkpoints(results) >= 2)
    node = slurm.fact(job, "NodeList")
    slurm.kill_node(node)
    killed = time.monotonic()
    grids.until(lambda: slurm.fact(job, "Restarts") == "1", 120)
    print(f"the job was queued again {time.monotonic() - killed:.0f} s after its node was lost")
