"""Small battles shaped like SMAC, and gathering seen in pictures: the suite without installation.

Our own environments, in numpy: their numbers are not SMAC's and never compare with SMAC's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from marlbench.plugin import Suite, VectorEnv, hookimpl
from marlbench_skirmish.config import Config
from marlbench_skirmish.tasks import GATHERINGS, TASKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

marlbench_api = 2


def build_vector(task: str, config: Config, num_envs: int) -> VectorEnv:
    """Give E copies of a task that are stepped as arrays; numpy is imported here."""
    from marlbench_skirmish.env import VectorSkirmish
    from marlbench_skirmish.gather import VectorGather

    if task in TASKS:
        return VectorSkirmish(task, config, num_envs)
    if task in GATHERINGS:
        return VectorGather(task, config, num_envs)
    offered = ", ".join((*TASKS, *GATHERINGS))
    raise ValueError(f"skirmish has no task {task!r}; it has {offered}")


def render(env: Any) -> NDArray[np.uint8]:
    """Draw the first copy as it stands, (height, width, 3)."""
    from marlbench_skirmish.drawing import picture

    return picture(env)


def draw_observation(task: str, config: Config, obs: NDArray[Any]) -> NDArray[np.uint8]:
    """Draw what an agent sees of a battle, or a model imagines that it sees."""
    from marlbench_skirmish.drawing import observation

    return observation(task, config, obs)


@hookimpl
def marlbench_suites() -> Iterable[Suite]:
    """Offer `skirmish`."""
    return [
        Suite(
            "skirmish",
            (*TASKS, *GATHERINGS),
            build=None,
            build_vector=build_vector,
            default_task="3v3",
            observes_images=lambda task, config: task in GATHERINGS,
            config=Config,
            copyable=True,
            render=render,
            draw_observation=draw_observation,
        )
    ]
