"""Rows of runs are handed on once, in order, whoever is killed, and whatever a sink raises."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event

import pytest

from marlbench import store
from marlbench.config import RunConfig, RunSpec
from marlbench.following import follower
from marlbench.following.follower import Follower
from marlbench.sinks import Followed, Sink
from marlbench.store import Journal

SPEC = RunSpec(
    suite="skirmish",
    task="3v3",
    algorithm="qmix",
    label="qmix",
    seed=4,
    run=RunConfig(steps=200),
    algorithm_config={"gamma": 0.9},
)
ENDED = Event()
ENDED.set()


class Notebook:
    """A sink that keeps what it is given, and may be out of order for a while."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Mapping[str, float]]] = []
        self.opened: list[Followed] = []
        self.ends: list[str] = []
        self.broken = False
        self.sink = Sink("notebook", "keeps rows", self.open)

    def open(self, run: Followed) -> Notebook:
        """Begin a run."""
        self.opened.append(run)
        return self

    def log(self, values: Mapping[str, float], env_steps: int, time: float) -> None:
        """Keep a row."""
        if self.broken:
            raise ConnectionError("the network is down")
        self.rows.append((env_steps, values))

    def close(self, status: str) -> None:
        """Keep the end."""
        self.ends.append(status)


def played(results: Path, *updates: int) -> Journal:
    """Write a run that has so many updates, and an evaluation at its beginning."""
    journal = Journal(store.create(results, SPEC))
    evaluate(journal, "curve", 0)
    update(journal, *updates)
    return journal


def update(journal: Journal, *updates: int) -> None:
    """Write updates."""
    for number in updates:
        row = {"env_steps": 10 * number, "update": number, "metrics": {"loss": 1.0 / number}}
        journal.append_update({**row, "return": None, "wall": journal.wall()})


def evaluate(journal: Journal, kind: str, step: int) -> None:
    """Write an evaluation."""
    row = {"kind": kind, "step": step, "env_steps": step, "metrics": {"win": 0.25}, "length": 9.0}
    sampled = {"sampled": {"metrics": {"win": 0.125}}}
    journal.append_evaluation({**row, **sampled, "crashed": 0, "wall": journal.wall()})


def names(notebook: Notebook) -> list[tuple[int, str]]:
    """What came, by env steps and the first name."""
    return [(at, next(iter(values))) for at, values in notebook.rows]


def test_rows_are_handed_on_once_with_their_names_and_the_end(tmp_path: Path) -> None:
    notebook, journal = Notebook(), played(tmp_path, 1, 2)
    follow = Follower(notebook.sink, [journal.folder])
    (pursuit,) = follow.pursuits
    pursuit.look()
    pursuit.look()
    assert names(notebook) == [(0, "eval/win"), (10, "train/loss"), (20, "train/loss")]
    first = dict(notebook.rows[0][1])
    assert first.pop("eval/seconds") >= 0
    assert first == {
        "eval/win": 0.25,
        "eval/length": 9.0,
        "eval/crashed": 0.0,
        "eval_sampled/win": 0.125,
    }
    assert "train/return" not in notebook.rows[1][1]  # there was none
    update(journal, 3)
    evaluate(journal, "curve", 200)
    evaluate(journal, "final", 200)
    journal.write_done({"env_steps": 200})
    journal.close()
    assert follow.follow(ENDED, 0.0)
    assert names(notebook)[3:] == [(200, "eval/win"), (200, "final/win"), (30, "train/loss")]
    assert notebook.ends == ["done"]
    (run,) = notebook.opened
    assert (run.name, run.group) == ("skirmish/3v3/qmix/4", "skirmish/3v3/qmix")
    assert run.settings["algorithm.gamma"] == 0.9


def test_a_follower_that_was_killed_goes_on_and_hands_nothing_on_twice(tmp_path: Path) -> None:
    notebook, journal = Notebook(), played(tmp_path, 1, 2)
    Follower(notebook.sink, [journal.folder]).pursuits[0].look()
    before = len(notebook.rows)
    update(journal, 3)
    Follower(notebook.sink, [journal.folder]).pursuits[0].look()
    assert names(notebook)[before:] == [(30, "train/loss")]
    first, second = notebook.opened
    assert first.key == second.key
    journal.close()


def test_rows_that_a_resumed_run_writes_anew_are_not_handed_on_again(tmp_path: Path) -> None:
    notebook, journal = Notebook(), played(tmp_path, 1, 2, 3)
    (pursuit,) = Follower(notebook.sink, [journal.folder]).pursuits
    pursuit.look()
    before = len(notebook.rows)
    journal.close()
    journal = Journal(journal.folder)
    journal.rewind(None)
    evaluate(journal, "curve", 0)
    update(journal, 1)
    pursuit.look()
    update(journal, 2, 3, 4)
    pursuit.look()
    assert names(notebook)[before:] == [(40, "train/loss")]
    journal.close()


def test_a_sink_that_fails_gets_its_rows_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    notebook, journal = Notebook(), played(tmp_path, 1, 2)
    (pursuit,) = Follower(notebook.sink, [journal.folder]).pursuits
    notebook.broken = True
    pursuit.look()
    assert "ConnectionError: the network is down; again in 5 s" in capfd.readouterr().err
    notebook.broken = False
    pursuit.look()
    assert notebook.rows == []  # it is not time yet
    later = time.monotonic() + 6
    monkeypatch.setattr(time, "monotonic", lambda: later)
    pursuit.look()
    assert len(notebook.rows) == 3
    assert (len(notebook.opened), notebook.ends) == (2, ["unfinished"])
    journal.close()


def test_a_grid_that_ended_before_its_runs_says_what_was_not_handed_on(tmp_path: Path) -> None:
    notebook, journal = Notebook(), played(tmp_path, 1)
    journal.close()
    follow = Follower(notebook.sink, [journal.folder])
    assert follow.follow(ENDED, 0.0)  # unfinished, but all there is was handed on
    assert notebook.ends == ["unfinished"]
    notebook.broken = True
    again = Journal(journal.folder)
    update(again, 2)
    again.close()
    assert not Follower(notebook.sink, [journal.folder]).follow(ENDED, 0.0)


def test_the_process_of_a_sink_follows_what_its_input_names(tmp_path: Path) -> None:
    """Killed before it has everything, it goes on where it was."""
    pytest.importorskip("tensorboard")
    journal = played(tmp_path, 1, 2)
    command = [sys.executable, "-P", "-m", "marlbench.following.process", "tensorboard", "0.1"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(f"{journal.folder}\n\n")
    process.stdin.flush()
    place = follower.position_file(journal.folder, "tensorboard")
    deadline = time.monotonic() + 120
    while not place.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    update(journal, 3)
    journal.write_done({"env_steps": 30})
    journal.close()
    done = subprocess.run(command, input=f"{journal.folder}\n\n", text=True, timeout=120)
    assert done.returncode == 0
    assert '"train": 3' in place.read_text()
