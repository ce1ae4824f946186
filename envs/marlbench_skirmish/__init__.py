"""Small battles shaped like SMAC, simulated in numpy: the suite that needs no installation.

Our own environment: its numbers are not SMAC's and never compare with SMAC's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from marlbench.plugin import Suite, hookimpl
from marlbench_skirmish.config import Config
from marlbench_skirmish.tasks import TASKS

if TYPE_CHECKING:
    from marlbench_skirmish.env import Skirmish, VectorSkirmish

marlbench_api = 1


def build(task: str, config: Config) -> Skirmish:
    """Give one copy of a task; numpy is imported here."""
    from marlbench_skirmish.env import Skirmish

    return Skirmish(task, config)


def build_vector(task: str, config: Config, num_envs: int) -> VectorSkirmish:
    """Give E copies of a task that are stepped as arrays."""
    from marlbench_skirmish.env import VectorSkirmish

    return VectorSkirmish(task, config, num_envs)


@hookimpl
def marlbench_suites() -> Iterable[Suite]:
    """Offer `skirmish`."""
    return [
        Suite(
            "skirmish",
            tuple(TASKS),
            build,
            default_task="3v3",
            config=Config,
            build_vector=build_vector,
            copyable=True,
        )
    ]
