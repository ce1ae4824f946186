"""What executors for many machines are made of: nodes' shares, followers, room on a cluster."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from marlbench.config import RunSpec
from marlbench.executors import Resources
from marlbench.exit_codes import ExitCode
from marlbench.grid import node
from marlbench.grid.executors.ray import rooms
from marlbench.grid.following import Follower
from marlbench.grid.plan import Request, make_plan
from marlbench.host import load_catalogue
from marlbench.overrides import parse_set
from marlbench.store import Journal, create, runs
from tests.grid.test_scheduler import Record


def made(results: Path, seeds: int) -> list[Path]:
    """Folders of runs that nobody plays."""
    specs = [
        RunSpec(suite="s", task="t", algorithm="a", label="a", seed=seed) for seed in range(seeds)
    ]
    return [create(results, spec) for spec in specs]


def test_what_others_play_is_told_from_its_files(tmp_path: Path) -> None:
    folders, record = made(tmp_path, 4), Record()
    old = Journal(folders[1])
    old.append_event("attempt")
    old.write_failed("of an earlier grid", "")
    old.close()
    follower = Follower(folders, record, every=0.0)
    follower.look()
    assert record.said == []
    for folder in folders[:3]:
        journal = Journal(folder)
        journal.append_event("attempt")
        follower.look()
        if folder == folders[0]:
            journal.write_done({})
        elif folder == folders[1]:
            journal.write_failed("no luck", "")
        journal.close()
        follower.look()
    follower.settle(folders, "the job ended; run again to go on", stopped=True)
    assert record.said == [
        ("started", "seed_0", 1),
        ("finished", "seed_0", None),
        ("started", "seed_1", 1),
        ("finished", "seed_1", "no luck"),
        ("started", "seed_2", 1),
        ("finished", "seed_2", "the job ended; run again to go on"),
        ("finished", "seed_3", "the job ended; run again to go on"),
    ]
    assert follower.outcome().failures == {folders[1]: "no luck"}
    assert follower.outcome().interrupted


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("died", [True, False], ids=["whose starter died", "that is to stop"])
def test_a_share_stops_with_a_checkpoint(tmp_path: Path, died: bool) -> None:
    sets = ["run.steps=4000", "run.checkpoint_every=24", "mood=slow", "run.device=cpu"]
    request = Request(
        ["tiny"], "probe", ["two_step"], [0], ["smoke"], [parse_set(each) for each in sets]
    )
    folder = create(tmp_path / "results", make_plan(load_catalogue(), request).specs[0])
    share = node.Share.of([folder], Resources(workers=1))
    with node.start(share, subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while '"checkpoint"' not in events(folder) and time.monotonic() < until:
            time.sleep(0.05)
        if died:
            assert process.stdin is not None
            process.stdin.close()
        else:
            node.stop(process)
    assert process.returncode == ExitCode.INTERRUPTED
    (run,) = runs(tmp_path / "results")
    ends = [row["event"] for row in run.events()[-2:]]
    assert (run.status, ends) == ("unfinished", ["checkpoint", "interrupted"])


def events(folder: Path) -> str:
    """What a run noted so far."""
    file = folder / "events.jsonl"
    return file.read_text() if file.exists() else ""


def living(number: int, **resources: float) -> dict[str, Any]:
    """A node as Ray tells of it."""
    facts = {"NodeID": f"n{number}", "Alive": True, "NodeManagerAddress": f"10.0.0.{number}"}
    return facts | {"Resources": resources}


@pytest.mark.parametrize(
    ("resources", "places"),
    [
        (Resources(), {"n1": (1, 1), "n2": (2, 2)}),
        (Resources(runs_per_gpu=4), {"n1": (4, 1), "n2": (8, 2)}),
        (Resources(runs_per_gpu=4, workers=5), {"n1": (4, 1), "n2": (1, 0.25)}),
        (Resources(workers=1, runs_per_gpu=3), {"n1": (1, 1 / 3)}),
        (Resources(device="cpu", threads=2), {"n0": (4, 0), "n1": (8, 0), "n2": (4, 0)}),
    ],
)
def test_room_on_a_cluster(resources: Resources, places: dict[str, tuple[int, float]]) -> None:
    nodes = [living(0, CPU=8), living(1, CPU=16, GPU=1), living(2, CPU=8, GPU=2)]
    found = rooms([*nodes, {**living(3, CPU=99), "Alive": False}], resources, (), 0)
    assert {each.number: (each.places, each.gpus) for each in found} == places
