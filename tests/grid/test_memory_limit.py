"""Runs that hold more memory than they may, with all that they started: real processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marlbench.store import read, read_spec
from tests.grid.test_scheduler import Record, scheduler, scripted
from tests.grid.test_signs_of_life import gone

HOLD = """
import subprocess
held = "import time; held = b'x' * (150 << 20); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", held], start_new_session=True)
(folder / "child").write_text(str(child.pid))
own = b"x" * (150 << 20)
time.sleep(60)
"""
"""A worker that holds 150 MiB, as does its child: neither alone is too much."""
SHARE = """
own = b"x" * (150 << 20)
children = [os.fork() for _ in range(2)]
if 0 in children:
    time.sleep(60)
time.sleep(1)
for child in children:
    os.kill(child, signal.SIGKILL)
"""
"""A worker of 150 MiB, whose forked children share them."""


def limited(folder: Path, gib: float) -> None:
    """Let a run hold so many GiB."""
    spec = read_spec(folder)
    run = spec.run.model_copy(update={"memory_gib": gib})
    (folder / "spec.json").write_text(spec.model_copy(update={"run": run}).model_dump_json())


def test_a_run_that_holds_too_much_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    greedy, other = scripted(tmp_path, HOLD, "time.sleep(0.5)")
    for folder in (greedy, other):
        limited(folder, 0.25)
    outcome = scheduler(Record(), listen=0.05).run([greedy, other])
    assert outcome.failures.keys() == {greedy}
    said = outcome.failures[greedy]
    assert said.startswith("its processes held 0.")
    assert "run.memory_gib allows 0.25: set it higher, or the algorithm's replay_gib" in said
    assert json.loads((greedy / "FAILED").read_text())["reason"] == said
    assert read(greedy).status == "failed"
    assert len(list(greedy.glob("began-*"))) == 1, "again it would only take as much"
    assert gone(int((greedy / "child").read_text()))


@pytest.mark.parametrize(("gib", "fails"), [(0.3, False), (0.1, True)])
def test_memory_that_forked_children_share_counts_once(
    tmp_path: Path, gib: float, fails: bool
) -> None:
    (folder,) = scripted(tmp_path, SHARE)
    limited(folder, gib)
    assert bool(scheduler(Record(), listen=0.05).run([folder]).failures) is fails
