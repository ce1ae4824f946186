"""A request to stop is heard at once, within an update too, and says what it costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from marlbench import store
from marlbench.exit_codes import ExitCode
from marlbench.grid.board import Board
from marlbench.grid.launch import what_it_cost
from marlbench.grid.plain import PlainView
from marlbench.grid.status import to_play_again
from marlbench.store import files
from marlbench.testing import synthetic
from marlbench.training import interrupt, worker
from marlbench.training.interrupt import Abandoned, Stop
from tests import linear
from tests.training.small_runs import StopAfter, play, rows, small_spec

ROOT = Path(__file__).parents[2]


class StopWithinUpdate(Stop):
    """A stop that comes at the k-th gradient step, of an update that will not end in time."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def check_within_update(self) -> None:
        """Count down."""
        self.steps -= 1
        if self.steps <= 0:
            raise Abandoned


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody stopped."""
    folder = store.create(tmp_path_factory.mktemp("whole"), small_spec())
    assert play(small_spec(), folder) == ExitCode.OK
    return folder


def events(folder: Path, name: str) -> list[int]:
    """The env steps of all events of this name."""
    found = files.read_rows(folder / "events.jsonl")
    return [row["env_steps"] for row in found if row["event"] == name]


def test_an_update_that_is_left_is_played_again_to_the_very_rows(
    whole: Path, tmp_path: Path
) -> None:
    folder = store.create(tmp_path, small_spec())
    assert play(small_spec(), folder, stop=StopWithinUpdate(30)) == ExitCode.INTERRUPTED
    record = store.read(folder)
    saved, reached = events(folder, "checkpoint")[-1], (record.progress or {})["env_steps"]
    assert to_play_again(record) == reached - saved > 0  # said exactly
    assert play(small_spec(), folder) == ExitCode.OK
    assert events(folder, "resumed") == [saved]  # nothing half-learnt was kept
    for name in ("eval.jsonl", "train.jsonl"):
        assert rows(folder / name) == rows(whole / name)


def test_a_stop_between_steps_costs_nothing_and_says_so(tmp_path: Path) -> None:
    folder = store.create(tmp_path, small_spec())
    assert play(small_spec(), folder, stop=StopAfter(40)) == ExitCode.INTERRUPTED
    record = store.read(folder)
    assert to_play_again(record) == 0
    assert what_it_cost([record]) == "nothing is lost, the same command goes on where it stopped"


def test_the_last_line_counts_what_is_played_again(tmp_path: Path) -> None:
    records = []
    for seed in (1, 2):
        spec = small_spec(seed=seed)
        folder = store.create(tmp_path, spec)
        play(spec, folder, stop=StopWithinUpdate(30))
        records.append(store.read(folder))
    steps = sum(map(to_play_again, records))
    said = f"the same command plays {steps:,} env steps of 2 runs again and goes on"
    assert what_it_cost(records) == said


class Slow(linear.Linear):
    """Its updates last for minutes."""

    def update(self) -> dict[str, float] | None:
        """Take thousands of gradient steps."""
        metrics = super().update()
        for _ in range(0 if metrics is None else 10_000):
            time.sleep(0.02)
            metrics = super().update()
        return metrics


@contextmanager
def slow_worker(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker of the slow learner, within its first update."""
    command = [sys.executable, "-P", "-m", "tests.training.test_stop", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end and phase(folder) != "learning":
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def phase(folder: Path) -> str:
    """What a worker last said that it does."""
    return str((store.read(folder).progress or {}).get("phase"))


def test_a_long_update_gives_signs_of_life_and_heeds_a_signal(tmp_path: Path) -> None:
    folder = store.create(tmp_path, small_spec())
    with slow_worker(folder) as process:
        assert phase(folder) == "learning"
        first = (folder / "progress.json").read_bytes()
        end = time.monotonic() + 20
        while (folder / "progress.json").read_bytes() == first:
            assert time.monotonic() < end, "no sign of life within an update"
            time.sleep(0.05)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert process.stderr.readline() == "marlbench: stopping at the next safe place\n"
        assert time.monotonic() - asked < 2  # at once
        assert process.wait(30) == ExitCode.INTERRUPTED
        assert time.monotonic() - asked < interrupt.PATIENCE + 10  # the update lasts 200 s


@pytest.mark.parametrize(("minutes", "often"), [(1e-9, True), (60.0, False)])
def test_checkpoints_come_by_the_clock_too_and_change_no_row(
    whole: Path, tmp_path: Path, minutes: float, often: bool
) -> None:
    spec = small_spec(checkpoint_minutes=minutes, checkpoint_every=1_000_000)
    folder = store.create(tmp_path, spec)
    assert play(spec, folder) == ExitCode.OK
    saved = events(folder, "checkpoint")
    assert (len(saved) > 50) is often
    assert saved[-1] >= 300
    for name in ("eval.jsonl", "train.jsonl"):
        assert rows(folder / name) == rows(whole / name)


def test_a_resumed_run_counts_minutes_from_its_checkpoint(tmp_path: Path) -> None:
    spec = small_spec(checkpoint_minutes=60.0, checkpoint_every=1_000_000)
    folder = store.create(tmp_path, spec)
    assert play(spec, folder, stop=StopAfter(40)) == ExitCode.INTERRUPTED
    assert play(spec, folder) == ExitCode.OK
    assert len(events(folder, "checkpoint")) == 2  # that of the stop, and that of the end


def test_the_first_signal_is_answered_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PlainView(Board([(tmp_path, small_spec())], 1)).stopping(1, 20.0)
    said = "stopping: 1 run takes a last checkpoint, for 20 s at most; Ctrl-C kills\n"
    assert capsys.readouterr().out == said


def main(folder: Path) -> int:
    """Be the worker of a run of the slow learner."""
    stop = Stop()
    stop.listen()
    spec = store.read_spec(folder)
    return worker.run(spec, folder, replace(linear.algorithm, build=Slow), synthetic.suite, stop)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
