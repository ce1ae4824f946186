"""Every algorithm of the catalogue that is driven to infinity ends as diverged, not otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench import store
from marlbench.config import Evaluation, RunConfig
from marlbench.exit_codes import ExitCode
from marlbench.host import load_catalogue
from marlbench.plugin import Algorithm
from marlbench.testing.trial import Subject
from marlbench.training import worker
from tests.training.small_runs import spec_of

CATALOGUE = load_catalogue()
ABSURD = 1e25
"""A learning rate after whose first step float32 products of two parameters are infinite."""


def rates(algorithm: Algorithm) -> list[str]:
    """The learning rates among an algorithm's settings."""
    names = algorithm.config.model_fields
    return [name for name in names if name.endswith(("_lr", "learning_rate"))]


ONE_STEP = {"epochs": 1, "minibatches": 1}
"""Then an update's metrics are those before the huge step, and the next action meets it."""
CASES: list[tuple[Algorithm, str, dict[str, Any]]] = [
    *((each, name, {}) for each in CATALOGUE.algorithms.values() for name in rates(each)),
    (CATALOGUE.algorithm("mappo"), "actor_lr", ONE_STEP),
    (CATALOGUE.algorithm("mat"), "learning_rate", ONE_STEP),
]
QUICK = ("learning_rate", "actor_lr")
"""One rate of each algorithm is tried in seconds, the others among the slow tests."""


def case(algorithm: Algorithm, rate: str, more: dict[str, Any]) -> Any:
    """Name a case, and say whether it is for the slow tests."""
    name = f"{algorithm.name}-{rate}{'-one-step' if more else ''}"
    marks = [] if rate in QUICK else [pytest.mark.slow]
    return pytest.param(algorithm, rate, more, id=name, marks=marks)


def test_every_algorithm_has_a_learning_rate() -> None:
    assert {algorithm.name for algorithm, _, _ in CASES} == set(CATALOGUE.algorithms)


@pytest.mark.parametrize(("algorithm", "rate", "more"), [case(*each) for each in CASES])
def test_an_absurd_learning_rate_ends_as_diverged_or_with_finite_numbers(
    algorithm: Algorithm, rate: str, more: dict[str, Any], tmp_path: Path
) -> None:
    suite = CATALOGUE.suite("skirmish")
    settings = {**Subject.of(algorithm, None).settings, rate: ABSURD, **more}
    evaluation = Evaluation(every=200, episodes=2, num_envs=2, final_episodes=2)
    run = RunConfig(steps=600, evaluation=evaluation, checkpoint_every=300, device="cpu")
    spec = spec_of(algorithm, settings, suite, suite.default_task, run, seed=3)
    folder = store.create(tmp_path, spec)
    code = worker.run(spec, folder, algorithm, suite)
    (record,) = store.runs(tmp_path)
    assert record.status in ("diverged", "done"), record.failure
    learnt = record.status == "diverged" or record.training()
    assert learnt, "no update was made: the test says nothing"
    assert code == (ExitCode.OK if record.status == "done" else ExitCode.FAILED)
    if record.status == "done":  # with numbers that can be used
        for row in record.training():
            assert all(np.isfinite(value) for value in row["metrics"].values())
