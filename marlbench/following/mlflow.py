"""MLflow: a run each, in an experiment for each task; MLFLOW_TRACKING_URI says where.

No extra of ours has it: it wants pandas before 3, and so cannot stand beside our pins.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from marlbench.sinks import Followed, Sink

KEY = "marlbench.key"
"""The tag by which a run that was begun is found again."""
LONGEST = 500
"""Characters of a setting that MLflow takes."""
AT_ONCE = 100
"""Settings that it takes in one call."""
ENDS = {"done": "FINISHED", "diverged": "FAILED", "failed": "FAILED"}


class MlflowRun:
    """Logs to one run by MLflow's client, which holds no state of the process."""

    def __init__(self, run: Followed) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient()
        self._id = self._found(run) or self._begun(run)

    def _found(self, run: Followed) -> str | None:
        experiment = self._client.get_experiment_by_name(experiment_of(run))
        if experiment is None:
            return None
        wanted = f"tags.`{KEY}` = '{run.key}'"
        found = self._client.search_runs([experiment.experiment_id], wanted)
        return str(found[0].info.run_id) if found else None

    def _begun(self, run: Followed) -> str:
        from mlflow.entities import Param

        name = experiment_of(run)
        experiment = self._client.get_experiment_by_name(name)
        place = experiment.experiment_id if experiment else self._client.create_experiment(name)
        begun = self._client.create_run(place, tags={KEY: run.key}, run_name=run.name)
        settings = (Param(key, str(value)[:LONGEST]) for key, value in run.settings.items())
        while some := list(itertools.islice(settings, AT_ONCE)):
            self._client.log_batch(begun.info.run_id, params=some)
        return str(begun.info.run_id)

    def log(self, values: Mapping[str, float], env_steps: int, time: float) -> None:
        """Log these numbers with their env steps."""
        from mlflow.entities import Metric

        at = int(time * 1000)
        numbers: list[Any] = [Metric(name, value, at, env_steps) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=numbers)

    def close(self, status: str) -> None:
        """Say how it ended; a run that has not stays running."""
        if status in ENDS:
            self._client.set_terminated(self._id, ENDS[status])


def experiment_of(run: Followed) -> str:
    """Give the experiment's name: runs that compare are in one."""
    return f"marlbench {run.suite}/{run.task}"


MLFLOW = Sink(
    "mlflow",
    "MLflow: an experiment for each task, where MLFLOW_TRACKING_URI says",
    MlflowRun,
    requires=("mlflow",),
)
