"""PettingZoo's parallel environments, and on the same page particle worlds and foraging."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from marlbench import plugin
from marlbench.installation import pip_install
from marlbench.plugin import ActionKind, Env, Suite, hookimpl
from marlbench_pettingzoo.config import Config, MpeConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

marlbench_api = 2

EXAMPLE = "mpe2.simple_spread_v3"
MPE_TASKS = (
    "simple_spread_2",
    "simple_spread_3",
    "simple_reference",
    "simple_speaker_listener",
)
LBF_TASKS = (
    "Foraging-5x5-2p-1f-coop",
    "Foraging-8x8-2p-2f-coop",
    "Foraging-10x10-3p-3f",
)


def build(task: str, config: Config) -> Env:
    """Give one copy of the environment at an import path; PettingZoo is imported here."""
    from marlbench_pettingzoo.importing import simulator

    simulator("pettingzoo", pip_install("pettingzoo"))
    from marlbench_pettingzoo.parallel import build_parallel

    return build_parallel(task, config)


def observes_images(task: str, config: Config) -> bool:
    """Ask the environment at an import path, in a process of its own, whether it shows images."""
    return ask(task, config)[0]


def actions(task: str, config: Config) -> ActionKind:
    """Ask the environment at an import path, in a process of its own, how its agents act."""
    return ask(task, config)[1]


def ask(task: str, config: Config) -> tuple[bool, ActionKind]:
    """Ask whether images are seen and how agents act, but for the example as it comes."""
    if task == EXAMPLE and not config.kwargs:
        return False, "discrete"
    from marlbench_pettingzoo.asking import asked

    return asked(task, config.model_dump_json())


def build_mpe(task: str, config: MpeConfig) -> Env:
    """Give one copy of a particle world; mpe2 is imported here."""
    from marlbench_pettingzoo.importing import simulator

    simulator("mpe2", pip_install("mpe"))
    from marlbench_pettingzoo.particles import build_particles

    return build_particles(task, config)


def build_lbf(task: str, config: plugin.Config) -> Env:
    """Give one copy of a foraging task; lbforaging is imported here."""
    from marlbench_pettingzoo.importing import simulator

    simulator("lbforaging", pip_install("lbf"))
    from marlbench_pettingzoo.foraging import build_foraging

    return build_foraging(task)


def render(env: Any) -> NDArray[np.uint8]:
    """Draw an environment as it draws itself, (height, width, 3)."""
    from marlbench_pettingzoo.drawing import picture

    return picture(env)


def render_mpe(env: Any) -> NDArray[np.uint8]:
    """Draw a particle world as it stands, (height, width, 3)."""
    from marlbench_pettingzoo.drawing import particles_picture

    return particles_picture(env)


def render_lbf(env: Any) -> NDArray[np.uint8]:
    """Draw a foraging task as it stands, (height, width, 3)."""
    from marlbench_pettingzoo.drawing import foraging_picture

    return foraging_picture(env)


LBF_PRESETS = {"quick": {"evaluation": {"every": 7_500, "final_episodes": 64}}}
"""A third of the points fewer and two rounds of 32 copies, since an episode has 50 steps: with
quick's evaluations were more than a quarter of a run of IPPO's [docs/evaluation.md]."""


@hookimpl
def marlbench_suites() -> Iterable[Suite]:
    """Offer `pettingzoo`, `mpe` and `lbf`."""
    return [
        Suite(
            "pettingzoo",
            (EXAMPLE,),
            build,
            default_task=EXAMPLE,
            config=Config,
            observes_images=observes_images,
            actions=actions,
            extra="mpe",  # installs PettingZoo and what the example needs
            requires=("pettingzoo",),
            open_tasks=True,
            copyable=True,
            render=render,
        ),
        Suite(
            "mpe",
            MPE_TASKS,
            build_mpe,
            default_task=MPE_TASKS[0],
            config=MpeConfig,
            actions=lambda task, config: "box" if config.continuous_actions else "discrete",
            extra="mpe",
            requires=("mpe2", "pettingzoo"),
            copyable=True,
            render=render_mpe,
        ),
        Suite(
            "lbf",
            LBF_TASKS,
            build_lbf,
            default_task=LBF_TASKS[0],
            extra="lbf",
            requires=("lbforaging", "gymnasium"),
            open_tasks=True,
            copyable=True,
            render=render_lbf,
            presets=LBF_PRESETS,
        ),
    ]
