"""MAMBA on the probes, whose right answers are known: a host's run each, start to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench.config import Evaluation, RunConfig, RunSpec
from marlbench.host import load_catalogue
from marlbench.run import worker
from marlbench.store import create, runs


def learned(tmp_path: Path, task: str, steps: int, seed: int, **settings: object) -> dict[str, Any]:
    """The last evaluation of a run with these settings over those of `quick`."""
    catalogue = load_catalogue()
    algorithm, suite = catalogue.algorithm("mamba"), catalogue.suite("probe")
    config = algorithm.config(**{**algorithm.presets["quick"], **settings})
    spec = RunSpec(
        suite="probe",
        task=task,
        algorithm="mamba",
        label="mamba-probe",
        seed=seed,
        run=RunConfig(
            steps=steps,
            evaluation=Evaluation(every=steps, episodes=32, num_envs=32),
            device="cpu",
        ),
        algorithm_config=config.model_dump(),
        suite_config=suite.config().model_dump(),
    )
    assert worker.run(spec, create(tmp_path, spec), algorithm, suite) == worker.OK
    (record,) = runs(tmp_path)
    return record.evaluations()[-1] | {"metrics": record.training()[-1]["metrics"]}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("task", "best"), [("two_step", 8.0), ("matrix", 8.0), ("deaths", 10.0)])
def test_greedy_play_is_the_best_there_is(
    tmp_path: Path, task: str, best: float, seed: int
) -> None:
    row = learned(tmp_path, task, 2500, seed, update_steps=100)
    # z is sampled in evaluation too: one episode in 32 may go astray
    assert np.median(row["returns"]) == best
    assert row["return"] > 0.95 * best


@pytest.mark.slow
@pytest.mark.parametrize("bootstrap", [True, False])
def test_a_time_out_ends_no_imagined_episode(tmp_path: Path, bootstrap: bool) -> None:
    """The value of a reward of 1 for ever at gamma 0.9 is 10, whatever a time-out is stored as.

    Stored as an end, it is told by the state that a window starts anew behind it, which
    imagination never reaches. Foreseen, it would leave 4.1, the mean of (1 - 0.9^(10 - t)) / 0.1.
    """
    settings = {"gamma": 0.9, "bootstrap_timeouts": bootstrap, "update_steps": 100}
    value = learned(tmp_path, "timeout", 6000, 0, **settings)["metrics"]["imagined_value"]
    assert 9 < value < 11
