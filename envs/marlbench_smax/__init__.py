"""SMAX, the battles of JaxMARL (Rutherford et al. 2023, arXiv:2311.10090): SMAC's idea, not SMAC.

Results carry the name SMAX: units, maps, observations and rewards are its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from marlbench.plugin import Suite, hookimpl
from marlbench_smax.config import Config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from marlbench_smax.env import VectorSmax

marlbench_api = 2

TASKS = (
    *("3m", "2s3z", "25m", "3s5z", "8m", "5m_vs_6m", "10m_vs_11m", "27m_vs_30m"),
    *("3s5z_vs_3s6z", "3s_vs_5z", "6h_vs_8z"),
    *("smacv2_5_units", "smacv2_10_units", "smacv2_20_units"),
)
"""The scenarios that JaxMARL registers, by their names there."""


def build_vector(task: str, config: Config, num_envs: int) -> VectorSmax:
    """Give E copies of a scenario that are stepped as arrays; jax and SMAX are imported here."""
    if task not in TASKS:
        raise ValueError(f"smax has no task {task!r}; it has {', '.join(TASKS)}")
    from marlbench_smax.importing import prepare

    prepare(config.compilation_cache)
    from marlbench_smax.env import VectorSmax

    return VectorSmax(task, config, num_envs)


def render(env: Any) -> NDArray[np.uint8]:
    """Draw the first copy as it stands, (height, width, 3)."""
    from marlbench_smax.drawing import picture

    return picture(env)


@hookimpl
def marlbench_suites() -> Iterable[Suite]:
    """Offer `smax`."""
    return [
        Suite(
            "smax",
            TASKS,
            build=None,
            build_vector=build_vector,
            default_task="3m",
            config=Config,
            extra="smax",
            requires=("jaxmarl", "jax"),
            copyable=True,
            render=render,
        )
    ]
