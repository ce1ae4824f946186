"""Runs that another machine plays, whose locks are not seen here."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

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
