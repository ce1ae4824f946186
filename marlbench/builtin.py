"""What marlbench itself offers, by the same door as a plugin: presets, executors, sinks."""

from __future__ import annotations

from collections.abc import Iterable

from marlbench.executors import Executor
from marlbench.plugin import Preset, hookimpl
from marlbench.sinks import Sink

marlbench_api = 2

PAPER = Preset(
    "paper",
    "the published experiment: exact hyperparameters, 400,000 env steps, 5 seeds, all tasks",
    run={"steps": 400_000},
    seeds=5,
    all_tasks=True,
)
AUTHORS = Preset(
    "authors",
    "the paper's experiment as its authors' code has it, where that contradicts the paper's text",
    run={"steps": 400_000},
    seeds=5,
    all_tasks=True,
    on_pictures="authors-pictures",
)
QUICK = Preset(
    "quick",
    "small enough to learn something in minutes on two CPU cores: 30,000 env steps, 3 seeds",
    run={
        "steps": 30_000,
        "checkpoint_every": 10_000,
        "evaluation": {"every": 5_000, "episodes": 32, "num_envs": 32},
    },
    seeds=3,
    all_tasks=False,
    on_pictures="pictures",
)
SMOKE = Preset(
    "smoke",
    "does everything turn: 600 env steps, 2 seeds, seconds; learns nothing",
    run={
        "steps": 600,
        "checkpoint_every": 300,
        "evaluation": {"every": 300, "episodes": 4, "num_envs": 4, "final_episodes": 8},
    },
    seeds=2,
    all_tasks=False,
)
PICTURES = Preset(
    "pictures",
    "what learners change over quick where observations are images; follows it there by itself",
)
AUTHORS_PICTURES = Preset(
    "authors-pictures",
    "what learners change over authors where observations are images; follows it there by itself",
)


@hookimpl
def marlbench_presets() -> Iterable[Preset]:
    """Offer the sizes of an experiment, and what pictures change in two of them."""
    return [PAPER, AUTHORS, QUICK, SMOKE, PICTURES, AUTHORS_PICTURES]


@hookimpl
def marlbench_executors() -> Iterable[Executor]:
    """Offer this machine, and many."""
    from marlbench.grid.executors.local import LOCAL
    from marlbench.grid.executors.ray import RAY
    from marlbench.grid.executors.slurm import SLURM

    return [LOCAL, RAY, SLURM]


@hookimpl
def marlbench_sinks() -> Iterable[Sink]:
    """Offer the trackers of experiments that people use."""
    from marlbench.following.mlflow import MLFLOW
    from marlbench.following.tensorboard import TENSORBOARD
    from marlbench.following.trackio import TRACKIO
    from marlbench.following.weights_and_biases import WANDB

    return [TENSORBOARD, WANDB, MLFLOW, TRACKIO]
