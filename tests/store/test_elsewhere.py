"""Runs that another machine plays, whose locks are not seen here."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from marlbench.config import RunSpec
from marlbench.store import Journal, create, runs


@pytest.mark.parametrize(
    ("place", "seconds", "status"),
    [
        ("another boot", 0, "running"),
        ("another boot", 100, "running"),
        ("another boot", 140, "unfinished"),
        (None, 0, "unfinished"),  # here: its lock would be seen
    ],
)
def test_a_worker_that_has_just_begun_elsewhere_is_not_taken_for_dead(
    tmp_path: Path, place: str | None, seconds: float, status: str
) -> None:
    """It has superseded another, whose scheduler looks now whether it has died."""
    spec = RunSpec(suite="s", task="t", algorithm="a", label="a", seed=0)
    folder = create(tmp_path, spec)
    journal = Journal(folder)
    journal.close()  # so its lock, which is not seen
    file = folder / "attempts" / str(journal.attempt)
    owner = json.loads(file.read_bytes())
    file.write_text(json.dumps(owner | ({"place": place} if place else {})))
    os.utime(file, (time.time() - seconds,) * 2)
    (run,) = runs(tmp_path)
    assert run.status == status


def test_hidden_folders_of_others_may_come_and_go(tmp_path: Path) -> None:
    """Every command that begins makes one, to see whether it can write there."""
    create(tmp_path, RunSpec(suite="s", task="t", algorithm="a", label="a", seed=0))
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            with TemporaryDirectory(dir=tmp_path, prefix=".marlbench-"):
                pass

    others = [threading.Thread(target=come_and_go) for _ in range(2)]
    for other in others:
        other.start()
    try:
        assert all(len(runs(tmp_path)) == 1 for _ in range(60))
    finally:
        stop.set()
        for other in others:
            other.join()
