"""A learner on a probe, whose right answer is known: a host's run, start to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from marlbench.config import Evaluation, RunConfig, RunSpec
from marlbench.exit_codes import ExitCode
from marlbench.host import load_catalogue
from marlbench.store import create, runs
from marlbench.training import worker


def learned(
    folder: Path, name: str, task: str, steps: int, seed: int, **settings: object
) -> dict[str, Any]:
    """Give a run's last evaluation and `metrics` of training, with settings over `quick`."""
    catalogue = load_catalogue()
    algorithm, suite = catalogue.algorithm(name), catalogue.suite("probe")
    config = algorithm.config(**{**algorithm.presets["quick"], **settings})
    spec = RunSpec(
        suite="probe",
        task=task,
        algorithm=name,
        label=f"{name}-probe",
        seed=seed,
        run=RunConfig(
            steps=steps,
            evaluation=Evaluation(every=steps, episodes=32, num_envs=32),
            device="cpu",
        ),
        algorithm_config=config.model_dump(),
        suite_config=suite.config().model_dump(),
    )
    assert worker.run(spec, create(folder, spec), algorithm, suite) == ExitCode.OK
    (record,) = runs(folder)
    return record.evaluations()[-1] | {"metrics": record.training()[-1]["metrics"]}
