"""Weights & Biases: a run each in the project `marlbench`; WANDB_MODE=offline needs no network.

wandb uploads in the background and tells nobody when a row has arrived. So rows count as handed on
before they are uploaded; those that it still had when it was killed are in its own files below
`sinks/wandb` in the run's folder, and `wandb sync` uploads them.
"""

from __future__ import annotations

from collections.abc import Mapping

from marlbench.sinks import Followed, Sink

PATIENCE = 20.0
"""Seconds that a run may take to begin, less than sinks have when a grid ends: the log says why."""


class WandbRun:
    """Logs to one run, which goes on under the same id."""

    def __init__(self, run: Followed) -> None:
        import wandb

        place = run.folder / "sinks"
        place.mkdir(exist_ok=True)
        self._run = wandb.init(
            project="marlbench",
            id=run.key,
            resume="allow",
            name=run.name,
            group=run.group,
            config=dict(run.settings),
            dir=place,
            reinit="create_new",
            settings=wandb.Settings(
                silent=True, console="off", x_disable_stats=True, init_timeout=PATIENCE
            ),
        )
        self._run.define_metric("env_steps")
        self._run.define_metric("*", step_metric="env_steps")

    def log(self, values: Mapping[str, float], env_steps: int, time: float) -> None:
        """Log these numbers over env steps."""
        self._run.log({**values, "env_steps": env_steps, "_timestamp": time})

    def close(self, status: str) -> None:
        """Finish the run, as failed if it did."""
        self._run.summary["status"] = status
        self._run.finish(exit_code=int(status == "failed"))


WANDB = Sink(
    "wandb",
    "Weights & Biases: runs of the project `marlbench`; WANDB_MODE=offline keeps them here",
    WandbRun,
    requires=("wandb",),
    extra="wandb",
)
