"""One worker's run: what it leaves on disk, and what becomes of failures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from marlbench import store
from marlbench.config import RunConfig
from marlbench.errors import SpecViolation
from marlbench.plugin import Agent, Algorithm, Step
from marlbench.store import files
from marlbench.store.clock import Clock
from marlbench.testing import synthetic
from marlbench.testing.synthetic import Synthetic
from marlbench.training import worker
from marlbench.training.interrupt import Stop
from marlbench.training.position import Position
from marlbench.training.progress import Progress
from marlbench.vecenv.seeding import TrainingSeeds
from marlbench.vecenv.statistics import EpisodeStatistics
from marlbench.vecenv.synchronous import SyncVectorEnv
from tests import linear
from tests.training.small_runs import play, small_spec


def test_a_run_leaves_all_that_readers_need(tmp_path: Path) -> None:
    folder = store.create(tmp_path, small_spec())
    assert play(small_spec(), folder) == 0
    (record,) = store.runs(tmp_path)
    assert record.status == "done"
    assert [row["step"] for row in record.evaluations()] == [0, 100, 200, 300]
    for row in record.evaluations():
        assert row["episodes"] == len(row["lengths"])
        for name in ("return", "win"):
            values = row["values"][name]
            assert len(values) == row["episodes"]
            assert row["metrics"][name] == pytest.approx(np.mean(values), rel=1e-12)  # sum's order
        assert row["env_steps"] >= row["step"]
    provenance: Any = record.provenance
    assert provenance["env"]["num_agents"] == 2
    assert provenance["execution"] == "decentralised"
    assert provenance["device"] == "cpu"
    assert {"python", "torch", "numpy", "marlbench-suite"} <= provenance["versions"].keys()
    progress: Any = record.progress
    assert progress["env_steps"] >= progress["steps"] == 300
    assert progress["updates"] == record.training()[-1]["update"]
    assert record.events()[0]["event"] == "attempt"
    assert record.events()[-1]["event"] == "done"
    assert len(list((folder / "checkpoint").glob("*.json"))) == 2
    episodes = sum(row["episodes"] for row in record.training())
    assert 300 / 12 <= episodes <= 300


def test_real_transitions_alone_are_env_steps() -> None:
    copies = SyncVectorEnv(Synthetic, 4)
    step = copies.reset(np.arange(4))
    now = Position(step, None, TrainingSeeds.of_run(1, 4), EpisodeStatistics(copies.spec, 4))
    played = 0
    for time in range(50):
        begins = now.step.last.copy()
        now.arrive(copies.step(now.step.avail.argmax(-1), np.arange(4) + 10 * time))
        played += int((~begins).sum())
        np.testing.assert_array_equal(now.step.first, begins)
    assert now.env_steps == played < 200


class Hesitant(linear.Linear):
    """Acts outside what is available after a while."""

    def act(
        self, step: Step, policy_state: Any, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[np.int64], Any]:
        """Play the no-op although alive, where a random number says so."""
        actions, policy_state = super().act(step, policy_state, rng, explore)
        return np.where(rng.random() < 0.2, 0, actions), policy_state


def test_a_plugin_that_breaks_the_contract_fails_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(config: Any, spec: Any, seed: int, device: str) -> Agent:
        return Hesitant(config, spec, seed, device)

    broken = replace(linear.algorithm, build=build)
    folder = store.create(tmp_path, small_spec())
    assert worker.run(small_spec(), folder, broken, synthetic.suite) == 1
    (record,) = store.runs(tmp_path)
    failure: Any = record.failure
    assert record.status == "failed"
    assert failure["reason"].startswith("SpecViolation: the algorithm chose action 0")
    assert "Traceback" in failure["traceback"]
    assert capsys.readouterr().err.count("\n") == 1


def test_a_setting_that_the_learner_does_not_have_is_the_reason_of_the_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = small_spec().model_copy(update={"algorithm_config": {"num_envs": 3, "rat": 1}})
    folder = store.create(tmp_path, spec)
    assert worker.run(spec, folder, linear.algorithm, synthetic.suite) == 1
    failure: Any = store.runs(tmp_path)[0].failure
    assert failure["reason"] == "ValidationError: Config has no setting 'rat'"
    assert capsys.readouterr().err.endswith(
        "failed: ValidationError: Config has no setting 'rat'\n"
    )


class Talkative(linear.Linear):
    """Reports what it is told to."""

    said: Any = None

    def update(self) -> Any:
        """Say it."""
        return None if super().update() is None else self.said


def talking(said: Any) -> Algorithm:
    """A learner whose updates give this."""

    def build(*arguments: Any) -> Agent:
        learner = Talkative(*arguments)
        learner.said = said
        return learner

    return replace(linear.algorithm, build=build)


def test_metrics_of_numpy_and_torch_are_written_as_numbers(tmp_path: Path) -> None:
    said = {"a": np.float32(0.5), "b": torch.tensor(2.0), "c": 3, "d": np.int64(4)}
    folder = store.create(tmp_path, small_spec())
    assert worker.run(small_spec(), folder, talking(said), synthetic.suite) == 0
    metrics = store.runs(tmp_path)[0].training()[0]["metrics"]
    assert metrics == {"a": 0.5, "b": 2.0, "c": 3.0, "d": 4.0}
    assert {type(value) for value in metrics.values()} == {float}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"loss": "low"}, "update() gave loss = 'low', not a number"),
        ({"loss": "1.5"}, "update() gave loss = '1.5', not a number"),
        ({"loss": None}, "update() gave loss = None, not a number"),
        ({"q": torch.zeros(2, 2)}, "update() gave q = tensor([[0., 0.], [0., 0.]]), not a number"),
        ({"q": np.zeros(1)}, "update() gave q = array([0.]), not a number"),
        (0.5, "update() gave 0.5, neither None nor numbers by name"),
    ],
)
def test_a_metric_that_is_no_number_is_named(tmp_path: Path, said: Any, reason: str) -> None:
    folder = store.create(tmp_path, small_spec())
    assert worker.run(small_spec(), folder, talking(said), synthetic.suite) == 1
    failure: Any = store.runs(tmp_path)[0].failure
    assert failure["reason"] == f"SpecViolation: {reason}"


def test_a_failed_run_can_be_tried_again(tmp_path: Path) -> None:
    def build(config: Any, spec: Any, seed: int, device: str) -> Agent:
        raise RuntimeError("not today")

    broken = replace(linear.algorithm, build=build)
    folder = store.create(tmp_path, small_spec())
    assert worker.run(small_spec(), folder, broken, synthetic.suite) == 1
    assert play(small_spec(), folder) == 0
    assert not (folder / "FAILED").exists()
    assert store.runs(tmp_path)[0].status == "done"


class Flaky(Synthetic):
    """Loses its simulator now and then."""

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Crash in every episode whose seed is a multiple of five, behind its third step."""
        step = super().step(actions)
        if self._time == 3 and self.seed % 5 == 0:
            raise OSError("connection lost")
        return step

    def reset(self, seed: int) -> Step:
        """Remember the seed."""
        self.seed = seed
        return super().reset(seed)


def test_crashes_are_counted_as_events_and_never_scored(tmp_path: Path) -> None:
    suite = replace(synthetic.suite, build=lambda task, config: Flaky(), copyable=False)
    folder = store.create(tmp_path, small_spec())
    assert play(small_spec(), folder, suite) == 0
    (record,) = store.runs(tmp_path)
    crashes = [e for e in record.events() if e["event"] == "env_crash"]
    assert crashes
    assert {c["error"] for c in crashes} == {"OSError: connection lost"}
    scored = {c["during"] for c in crashes}
    assert "training" in scored
    assert all(row["episodes"] == 4 for row in record.evaluations())


class LosesAtTheEnd(Synthetic):
    """Loses its simulator when an episode is about to end."""

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Crash with the last step."""
        step = super().step(actions)
        if step.last:
            raise OSError("connection lost at the end")
        return step


def test_what_crashed_an_evaluation_is_in_its_reason_and_among_its_events(tmp_path: Path) -> None:
    suite = replace(synthetic.suite, build=lambda task, config: LosesAtTheEnd(), copyable=False)
    folder = store.create(tmp_path, small_spec())
    assert play(small_spec(), folder, suite) == 1
    (record,) = store.runs(tmp_path)
    assert record.failure is not None
    assert record.failure["reason"].endswith("at last with OSError: connection lost at the end")
    crashes = [e for e in record.events() if e["event"] == "env_crash"]
    assert {(c["during"], c["error"]) for c in crashes} == {
        ("evaluation", "OSError: connection lost at the end")
    }


def test_a_breach_of_the_contract_is_no_crash_and_fails_the_run_at_once(tmp_path: Path) -> None:
    class Contradictory(Synthetic):
        def step(self, actions: NDArray[np.int64]) -> Step:
            raise SpecViolation("red is dead and alive")

    suite = replace(synthetic.suite, build=lambda task, config: Contradictory(), copyable=False)
    folder = store.create(tmp_path, small_spec())
    assert play(small_spec(), folder, suite) == 1
    (record,) = store.runs(tmp_path)
    assert record.failure is not None
    assert record.failure["reason"] == "SpecViolation: red is dead and alive"
    assert not any(e["event"] == "env_crash" for e in record.events())


def test_an_eta_appears_once_updates_were_timed_and_counts_evaluations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("marlbench.store.clock.time.monotonic", lambda: clock[0])
    documents: list[dict[str, Any]] = []
    timed = Clock()
    timed.enter("training")
    progress = Progress(small_spec(steps=400).run, documents.append, timed)
    step = SyncVectorEnv(Synthetic, 1).reset(np.array([1]))
    now = Position(step, None, TrainingSeeds.of_run(1, 1), EpisodeStatistics(Synthetic().spec, 1))
    progress.show(now, "starting")
    assert documents[-1]["eta_s"] is None
    with progress.evaluating():
        clock[0] += 7.0
    now.evaluations = 1
    for env_steps in (10, 30, 50):
        now.env_steps = env_steps
        progress.updated(env_steps)
        clock[0] += 2.0
    progress.show(now, "training")
    # 40 env steps took 6 s; 350 are left, and evaluations at 100, 200, 300 and 400 of 7 s each;
    # the final one has twice the episodes
    assert documents[-1]["eta_s"] == round(350 / (40 / 6) + (4 + 2) * 7.0, 1)
    progress.show(now, "training")
    assert len(documents) == 2, "at most once a second"


def test_the_worker_process_refuses_a_wrong_command_in_one_line() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "marlbench.training.worker"], capture_output=True, text=True
    )
    assert answer.returncode == 2
    assert answer.stderr == "usage: python -m marlbench.training.worker FOLDER\n"


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "marlbench.training.worker", str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"marlbench: {tmp_path} holds no run: ")
    assert answer.stderr.count("\n") == 1


def test_a_worker_that_was_superseded_stops_without_writing(tmp_path: Path) -> None:
    folder = store.create(tmp_path, small_spec())
    newer: list[store.Journal] = []

    class TakenOver(Stop):
        def check(self) -> None:
            """Let a newer attempt begin at the first look."""
            newer.extend([] if newer else [store.Journal(folder)])

    assert play(small_spec(), folder, stop=TakenOver()) == 3
    assert not (folder / "DONE").exists()
    assert not (folder / "FAILED").exists()
    assert files.read_rows(folder / "eval.jsonl") == []
    newer[0].close()


def test_a_missing_gpu_is_said_with_the_remedy(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ValueError, match=r"--set run\.device=cpu"):
        worker.prepare_torch(RunConfig(device="cuda"), 1)


def test_memory_is_not_filled_though_torch_is_deterministic() -> None:
    worker.prepare_torch(RunConfig(device="cpu"), 1)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]


def test_metrics_that_json_cannot_say_become_null(tmp_path: Path) -> None:
    files.append_row(tmp_path / "x.jsonl", {"metrics": {"loss": float("nan"), "kl": 1.0}})
    row = json.loads((tmp_path / "x.jsonl").read_text())
    assert row == {"metrics": {"loss": None, "kl": 1.0}}
