"""Grids on a real Ray of several nodes, all on this machine, one of which is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from marlbench.store import runs
from tests.clusters import grids

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed"),
]
SMALL = {"object_store_memory": 80 * 2**20}


@contextmanager
def cluster(nodes: int, env: dict[str, str] | None = None, **resources: float) -> Iterator[Any]:
    """A Ray whose head plays nothing and whose nodes have these resources each."""
    from ray.cluster_utils import Cluster

    told = {"RAY_worker_niceness": "0", **(env or {})}  # Ray's own would starve on a busy machine
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    head = {"num_cpus": 0, "include_dashboard": False, **SMALL}
    made: Any = Cluster(initialize_head=True, head_node_args=head)
    try:
        made.nodes = [made.add_node(**resources, **SMALL) for _ in range(nodes)]
        yield made
    finally:
        made.shutdown()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def ending(*processes: Any) -> Iterator[None]:
    """End these processes, held or not, if the test does not."""
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def on(made: Any) -> dict[str, str]:
    """The environment of a command that is to find this cluster."""
    return {"RAY_ADDRESS": made.address}


def local_scheduler(pid: int) -> psutil.Process:
    """The local scheduler of a worker: on the node, below Ray's actor."""
    return next(
        each for each in psutil.Process(pid).parents() if "marlbench.grid.node" in each.cmdline()
    )


def raylet_of(process: psutil.Process, made: Any) -> Any:
    """The node of the cluster that a process descends from."""
    above = {each.pid for each in process.parents()}
    for each in made.nodes:
        if each.all_processes["raylet"][0].process.pid in above:
            return each
    raise LookupError(process)


@pytest.mark.parametrize("locks", [True, False], ids=["with locks", "where locks do not reach"])
def test_a_lost_node_leaves_its_old_worker_beside_the_new_one(
    results: Path, peace: dict[str, Any], tmp_path: Path, locks: bool
) -> None:
    """The old one's scheduler is held, so that nothing ends it, and so is it itself for a while."""
    env = None if locks else grids.without_locks(tmp_path / "site")
    with cluster(2, env, num_cpus=2) as made:
        follower = subprocess.Popen(
            grids.command(results, "--executor", "ray"),
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **on(made), **grids.SLOWER},
        )
        grids.until(lambda: grids.checkpoints(results) >= 2)
        record = runs(results)[0]
        worker = psutil.Process(grids.attempts(record)[0]["pid"])
        scheduler = local_scheduler(worker.pid)
        node = raylet_of(scheduler, made)
        scheduler.send_signal(signal.SIGSTOP)
        killed = time.monotonic()
        with ending(follower, worker, scheduler):
            made.remove_node(node, allow_graceful=False)
            beside = watch(worker, record.folder, held=not locks)
            scheduler.kill()  # Ray leaves it to its input's end, which it cannot see while held
            told, _ = follower.communicate(timeout=400)
    assert follower.returncode == 0, told
    assert grids.rows(results) == peace
    said = f"{time.monotonic() - killed:.0f} s after the loss, old worker beside for {beside:.0f} s"
    print(said, grids.facts(results), file=sys.stderr)


def test_runs_stop_with_a_checkpoint_when_the_command_is_killed(
    results: Path, peace: dict[str, Any]
) -> None:
    with cluster(1, num_cpus=2) as made:
        command, env = grids.command(results, "--executor", "ray"), {**os.environ, **on(made)}
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env | grids.SLOWER)
        grids.until(lambda: grids.checkpoints(results) >= 2)
        workers = [psutil.Process(grids.attempts(each)[0]["pid"]) for each in runs(results)]
        first.kill()
        first.wait()
        assert psutil.wait_procs(workers, 60)[1] == []
        ends = [[row["event"] for row in record.events()[-2:]] for record in runs(results)]
        assert ends == [["checkpoint", "interrupted"]] * 2
        grids.play(results, "--executor", "ray", env=on(made))
    assert grids.rows(results) == peace
    assert [len(grids.attempts(record)) for record in runs(results)] == [2, 2]


def watch(worker: psutil.Process, folder: Path, held: bool) -> float:
    """Watch an old worker to its end; give how long it was there once another had begun.

    One that is held goes on when the other has taken a checkpoint.
    """
    if held:
        worker.send_signal(signal.SIGSTOP)
    began = None
    for _ in range(600):
        events = grids.found(folder.parents[3])[0].events()
        newer = [row for row in events if row.get("attempt", 1) > 1]
        if newer and began is None:
            began = time.monotonic()
        if held and any(row["event"] == "checkpoint" for row in newer):
            held = False
            worker.send_signal(signal.SIGCONT)
        if not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.2)
    return time.monotonic() - began if began else 0.0


def test_runs_that_share_a_gpu_have_a_part_of_it_each(results: Path) -> None:
    import ray

    room: Any = ray.available_resources
    options = ["--executor", "ray", "--steps", "100", "--seeds", "2", "--runs-per-gpu", "2"]
    options += ["--workers", "1", "--set", "run.device=auto"]
    with (
        cluster(1, num_cpus=2, num_gpus=1) as made,
        subprocess.Popen(
            grids.command(results, *options),
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **on(made)},
        ) as follower,
    ):
        ray.init(address=made.address, log_to_driver=False)
        left = grids.until(lambda: room().get("GPU", 0.0) < 1 and room())
        ray.shutdown()
        told, _ = follower.communicate(timeout=200)
    assert (follower.returncode, left["GPU"]) == (0, 0.5), told
    assert "GPU, 1 at a time" in told
