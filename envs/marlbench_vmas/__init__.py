"""VMAS, the vectorised simulator of Bettini et al. 2022, arXiv:2207.03530v2.

Agents say two numbers, the force by which they move. All copies are stepped as one batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from marlbench.plugin import Suite, VectorEnv, hookimpl
from marlbench_vmas.config import Config
from marlbench_vmas.tasks import TASKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

marlbench_api = 2

PRESETS = {"quick": {"evaluation": {"every": 10_000, "final_episodes": 64}}}
"""Half of the points and two rounds of 32 copies, since an episode has 100 steps: with quick's
evaluations were a third of a run [docs/evaluation.md]."""


def build_vector(task: str, config: Config, num_envs: int) -> VectorEnv:
    """Give E copies of a task that are stepped at once; vmas is imported here."""
    from marlbench_vmas.env import VectorVmas

    return VectorVmas(task, config, num_envs)


def render(env: Any) -> NDArray[np.uint8]:
    """Draw the first copy as it stands, (height, width, 3)."""
    from marlbench_vmas.drawing import picture

    return picture(env)


@hookimpl
def marlbench_suites() -> Iterable[Suite]:
    """Offer `vmas`."""
    return [
        Suite(
            "vmas",
            tuple(TASKS),
            build=None,
            build_vector=build_vector,
            default_task="balance",
            config=Config,
            actions=lambda task, config: "box",
            extra="vmas",
            requires=("vmas",),
            copyable=True,
            render=render,
            presets=PRESETS,
        )
    ]
