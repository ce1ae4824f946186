"""Melting Pot's substrates, Leibo et al. 2021, arXiv:2107.06857v1: the paper's two first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from marlbench.plugin import Env, Finding, Suite, hookimpl
from marlbench_meltingpot.config import Config
from marlbench_meltingpot.tasks import PAPER, TASKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

marlbench_api = 2

REQUIRES = ("dmlab2d", "meltingpot", "ml_collections", "tree", "immutabledict", "networkx")

PRESETS = {
    "quick": {"evaluation": {"every": 10_000, "episodes": 4, "num_envs": 4, "final_episodes": 8}},
    "smoke": {"evaluation": {"episodes": 1, "num_envs": 1, "final_episodes": 2}},
}
"""Episodes of 1000 steps, and as dear again to begin: with quick's 32 at a time, evaluations were
most of a run. With these they take at most a quarter of a `quick` one [docs/evaluation.md]."""


def build(task: str, config: Config) -> Env:
    """Give one copy of a substrate; the simulator is imported here."""
    from marlbench_meltingpot.env import MeltingPot

    if task not in TASKS:
        raise ValueError(f"meltingpot has no task {task!r}: marlbench show meltingpot lists them")
    return MeltingPot(task, config)


def install() -> None:
    """Install the simulator without what only its bots need."""
    from marlbench_meltingpot.installing import install_simulator

    install_simulator()


def examine() -> Iterable[Finding]:
    """Look for everything that substrates need."""
    from marlbench_meltingpot.installing import findings

    return findings()


def trial() -> Finding:
    """Play a step of the paper's first substrate."""
    from marlbench_meltingpot.installing import played

    return played()


def render(env: Env) -> NDArray[np.uint8]:
    """Give the whole map as it stands."""
    from marlbench_meltingpot.env import MeltingPot

    assert isinstance(env, MeltingPot), f"a substrate, not {env!r}"
    return env.picture()


@hookimpl
def marlbench_suites() -> Iterable[Suite]:
    """Offer `meltingpot`."""
    return [
        Suite(
            "meltingpot",
            TASKS,
            build,
            default_task=PAPER[0],
            presets=PRESETS,
            paper_tasks=PAPER,
            observes_images=lambda task, config: True,
            config=Config,
            extra="meltingpot",
            requires=REQUIRES,
            copyable=True,
            slow_steps=True,
            install=install,
            examine=examine,
            trial=trial,
            render=render,
        )
    ]
