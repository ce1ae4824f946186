"""A run that was killed and resumed gives the rows of one that was not, byte for byte."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench import store
from marlbench.plugin import Step
from marlbench.store import files
from marlbench.testing import synthetic
from marlbench.training.interrupt import Stop
from tests.training import small_runs
from tests.training.small_runs import StopAfter, play, rows, small_spec, wait_for_rows


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert play(small_spec(), folder) == 0
    return folder


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start a worker process on the folder."""
    command = [sys.executable, small_runs.__file__, str(folder)]
    here = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}  # it finds `tests` too
    return subprocess.Popen(command, env=os.environ | here)


@pytest.mark.parametrize("number", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_kills_at_random_moments_leave_every_row_exactly_once(
    undisturbed: Path, tmp_path: Path, number: int
) -> None:
    rng = random.Random(number)
    folder = store.create(tmp_path, small_spec())
    kills = 0
    for attempt in range(number):
        process = start(folder)
        wait_for_rows(folder, 80 * (attempt + 1) // number + rng.randrange(12), process)
        time.sleep(rng.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills == number, "the worker was too quick for this test: nothing was tested"
    assert start(folder).wait() == 0
    assert rows(folder / "eval.jsonl") == rows(undisturbed / "eval.jsonl")
    assert rows(folder / "train.jsonl") == rows(undisturbed / "train.jsonl")
    (record,) = store.runs(tmp_path)
    assert record.status == "done"
    assert any(e["event"] == "resumed" and e["env_steps"] > 0 for e in record.events())


class SignalAfter(Stop):
    """A stop that comes as a real signal at the k-th look."""

    def __init__(self, looks: int, number: signal.Signals) -> None:
        super().__init__()
        self.looks, self.number = looks, number

    def check(self) -> None:
        """Count down, then signal ourselves."""
        self.looks -= 1
        if self.looks == 0:
            os.kill(os.getpid(), self.number)
        super().check()


@pytest.fixture
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_signal_takes_a_checkpoint_and_resuming_is_exact(
    undisturbed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder, stop = store.create(tmp_path, small_spec()), SignalAfter(70, number)
    stop.listen()
    assert play(small_spec(), folder, stop=stop) == 130
    (record,) = store.runs(tmp_path)
    assert record.status == "unfinished"
    last, stopped = record.events()[-2:]
    assert (last["event"], stopped["event"]) == ("checkpoint", "interrupted")
    assert last["env_steps"] == record.training()[-1]["env_steps"]
    assert play(small_spec(), folder) == 0
    assert rows(folder / "eval.jsonl") == rows(undisturbed / "eval.jsonl")
    assert rows(folder / "train.jsonl") == rows(undisturbed / "train.jsonl")


@pytest.mark.parametrize("looks", [1, 10, 40, 90, 130])
def test_a_stop_at_any_look_even_within_an_evaluation_resumes_exactly(
    undisturbed: Path, tmp_path: Path, looks: int
) -> None:
    assert play(small_spec(), tmp_path, stop=StopAfter(looks)) == 130
    assert play(small_spec(), tmp_path) == 0
    for name in ("eval.jsonl", "train.jsonl"):
        assert rows(tmp_path / name) == rows(undisturbed / name)


@pytest.mark.parametrize("victim", ["agent", "position", "copies", "json", "ring"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    undisturbed: Path, tmp_path: Path, victim: str
) -> None:
    assert play(small_spec(), tmp_path, stop=StopAfter(130)) == 130
    newest = max((tmp_path / "checkpoint").glob(f"*.{victim}"))
    newest.write_bytes(newest.read_bytes()[:-7])
    assert play(small_spec(), tmp_path) == 0
    resumed = next(e for e in files.read_rows(tmp_path / "events.jsonl") if e["event"] == "resumed")
    assert len(resumed["damaged"]) == 1
    assert resumed["env_steps"] > 0
    assert rows(tmp_path / "train.jsonl") == rows(undisturbed / "train.jsonl")
    assert rows(tmp_path / "eval.jsonl") == rows(undisturbed / "eval.jsonl")


def test_metric_files_that_lost_rows_fall_back_to_a_checkpoint_they_reach(
    undisturbed: Path, tmp_path: Path
) -> None:
    assert play(small_spec(), tmp_path, stop=StopAfter(130)) == 130
    metrics = tmp_path / "train.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:200])
    assert play(small_spec(), tmp_path) == 0
    assert rows(metrics) == rows(undisturbed / "train.jsonl")


def test_copies_that_cannot_be_pickled_lose_their_episodes_and_say_so(tmp_path: Path) -> None:
    suite = replace(synthetic.suite, copyable=False)
    assert play(small_spec(), tmp_path, suite, stop=StopAfter(60)) == 130
    assert play(small_spec(), tmp_path, suite) == 0
    resumed = next(e for e in files.read_rows(tmp_path / "events.jsonl") if e["event"] == "resumed")
    assert 1 <= resumed["dropped_episodes"] <= 3
    played = [(row["kind"], row["step"]) for row in files.read_rows(tmp_path / "eval.jsonl")]
    assert played == [*(("curve", point) for point in (0, 100, 200, 300)), ("final", 300)]


class Irretrievable(synthetic.Synthetic):
    """Its draws are nobody's, so a copy that comes back stands elsewhere, and says so."""

    def reset(self, seed: int) -> Step:
        """Begin an episode of another seed."""
        return super().reset(int(np.random.default_rng().integers(2**31)))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Refuse to come back."""
        raise RuntimeError("the environment is not decided by its seed")


def test_copies_that_cannot_come_back_lose_their_episodes_and_nothing_else(tmp_path: Path) -> None:
    suite = replace(synthetic.suite, build=lambda task, config: Irretrievable())
    folder = store.create(tmp_path, small_spec())
    assert play(small_spec(), folder, suite, stop=StopAfter(60)) == 130
    assert play(small_spec(), folder, suite) == 0
    (record,) = store.runs(tmp_path)
    resumed = next(e for e in record.events() if e["event"] == "resumed")
    assert 1 <= resumed["dropped_episodes"] <= 3
    assert resumed["lost"] == "RuntimeError: the environment is not decided by its seed"
    assert [row["step"] for row in record.evaluations()] == [0, 100, 200, 300]
    assert any("not reproducible" in remark for remark in record.remarks())


def test_of_a_run_whose_seeds_decide_nothing_is_remarked(undisturbed: Path) -> None:
    events = [row["event"] for row in files.read_rows(undisturbed / "events.jsonl")]
    assert "not_reproducible" not in events
    assert "checkpoint" in events


def test_a_done_run_is_left_alone(undisturbed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    assert play(small_spec(), undisturbed) == 0
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}


def test_another_seed_gives_other_rows(undisturbed: Path, tmp_path: Path) -> None:
    assert play(small_spec(seed=2), tmp_path) == 0
    assert rows(tmp_path / "train.jsonl") != rows(undisturbed / "train.jsonl")
