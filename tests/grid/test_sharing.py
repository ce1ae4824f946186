"""How many runs share a GPU: what they say they take decides, and a GPU that was full is heeded.

No GPU is here: workers are real processes that say what a run on one would.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from marlbench.errors import UserError
from marlbench.executors import Resources
from marlbench.grid.executors import ray, slurm
from marlbench.grid.scheduler import Scheduler
from marlbench.grid.sharing import Sharing
from marlbench.grid.slots import Slot, slots
from tests.grid.test_scheduler import CHILD, Record, scripted

TAKE = """
gpu = {"gpu_free_gib": 10.0, "gpu_peak_gib": %s, "pid": os.getpid()}
(folder / "new").write_text(json.dumps(gpu))
(folder / "new").replace(folder / "progress.json")
time.sleep(0.3)
"""
"""A worker that takes so many GiB of a GPU of ten, until it ends."""
MEET = """
here, full = folder.parent / f"here-{folder.name}", folder.parent / "full"
here.touch()
if len(list(folder.parent.glob("here-*"))) > %d:
    full.touch()
    here.unlink()
    reason = "RuntimeError: CUDA out of memory"
    (folder / "FAILED").write_text(json.dumps({"reason": reason}))
    os._exit(75)
until = time.monotonic() + 20
while not full.exists() and time.monotonic() < until:
    time.sleep(0.01)
here.unlink()
(folder / "FAILED").unlink(missing_ok=True)
"""
"""A worker that finds its GPU full where so many are there; they stay until one has found it so."""


def shared(record: Record, places: int = 6, **settings: Any) -> Scheduler:
    """A quick scheduler of scripted workers on one GPU."""
    command = (sys.executable, "-c", CHILD)
    on_one = [Slot("gpu 0", "0", 1)] * places
    return Scheduler(on_one, record, poll=0.02, listen=0.05, command=command, **settings)


@pytest.mark.parametrize(("gib", "fit"), [(2.5, 3), (4.0, 2), (20.0, 1), (0.5, 6)])
def test_as_many_share_a_gpu_as_the_first_run_leaves_room_for(
    tmp_path: Path, gib: float, fit: int
) -> None:
    record = Record()
    outcome = shared(record, by_memory=True).run(scripted(tmp_path, *[TAKE % gib] * (fit + 2)))
    assert (outcome.failures, record.most) == ({}, fit)


def test_a_run_is_alone_on_its_gpu_until_it_says_what_it_takes(tmp_path: Path) -> None:
    record = Record()
    shared(record, by_memory=True).run(scripted(tmp_path, *["time.sleep(0.2)"] * 3))
    assert record.most == 1


def test_what_an_earlier_worker_took_decides_nothing(tmp_path: Path) -> None:
    folders = scripted(tmp_path, *["time.sleep(0.2)"] * 3)
    old = {"gpu_free_gib": 10.0, "gpu_peak_gib": 0.5, "pid": 1}
    (folders[0] / "progress.json").write_text(json.dumps(old))
    record = Record()
    shared(record, by_memory=True).run(folders)
    assert record.most == 1


@pytest.mark.parametrize("by_memory", [False, True])
def test_runs_that_find_their_gpu_full_are_played_with_fewer_beside_them(
    tmp_path: Path, by_memory: bool
) -> None:
    record = Record()
    before = [TAKE % 0.5] if by_memory else []
    folders = scripted(tmp_path, *before, *[MEET % 2] * 4)
    outcome = shared(record, 3, by_memory=by_memory, look=0.1).run(folders)
    assert (outcome.failures, record.most) == ({}, 3)
    said = [str(why) for word, _, why in record.said if word == "retrying"]
    assert "its GPU had no room for it beside 2 more" in said
    assert all(why.startswith("its GPU had no room for it beside") for why in said)


def test_a_run_without_room_on_a_gpu_of_its_own_has_failed(tmp_path: Path) -> None:
    folders = scripted(tmp_path, *[MEET % 0] * 2)
    outcome = shared(Record(), 2, look=0.05).run(folders)
    assert outcome.failures == dict.fromkeys(folders, "RuntimeError: CUDA out of memory")
    begun = sum(len(list(folder.glob("began-*"))) for folder in folders)
    assert begun == 4, "each was tried once beside the other and once alone"


def test_gpus_are_judged_each_by_its_own() -> None:
    sharing = Sharing([Slot(f"gpu {each}", each, 1) for each in "010101"], by_memory=True)
    sharing.began(0, [0])
    sharing.told(0, {"gpu_free_gib": 10.0, "gpu_peak_gib": 3.0})
    assert sharing.admits(2, [0])
    assert sharing.admits(1, [0])
    assert not sharing.admits(3, [0, 1]), "of the other nobody has said what is free"
    sharing.began(2, [0, 2])
    sharing.told(2, {"gpu_free_gib": 6.0, "gpu_peak_gib": 4.0})
    assert not sharing.admits(4, [0, 2]), "10 GiB, of which 9 are for two of 4"
    assert sharing.full(0)
    assert not sharing.admits(4, [2])


def test_where_memory_decides_cores_bound_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr("marlbench.grid.slots.cores", lambda: 8)
    assert len(slots(Resources(runs_per_gpu="auto"))) == 8
    assert len(slots(Resources(runs_per_gpu="auto", threads=2))) == 4
    assert len(slots(Resources(runs_per_gpu="auto", threads=16))) == 2
    assert len(slots(Resources(runs_per_gpu="auto", workers=3))) == 3


def test_an_allocation_where_memory_decides_has_to_have_a_size() -> None:
    gpus = slurm.Settings(gpus=2)
    with pytest.raises(UserError, match=r"--set slurm.cpus=N, or --workers N"):
        slurm.parameters(gpus, Resources(runs_per_gpu="auto"))
    told = slurm.parameters(gpus, Resources(runs_per_gpu="auto", workers=6, threads=2))
    assert told["cpus_per_task"] == 12
    told = slurm.parameters(slurm.Settings(gpus=2, cpus=9), Resources(runs_per_gpu="auto"))
    assert told["cpus_per_task"] == 9


def test_ray_has_to_know_the_parts_beforehand() -> None:
    with pytest.raises(UserError, match="known beforehand: --runs-per-gpu N"):
        ray.rooms([], Resources(runs_per_gpu="auto"), (), 0)
