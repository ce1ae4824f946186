"""The `mpe` suite: cooperative particle worlds of mpe2, with a shared reward."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from marlbench.installation import pip_install
from marlbench.plugin import Env
from marlbench_pettingzoo.config import Config, MpeConfig
from marlbench_pettingzoo.importing import simulator
from marlbench_pettingzoo.parallel import Parallel, version
from marlbench_pettingzoo.replayed import Replayed

STEPS = 25


@dataclass(frozen=True)
class World:
    """A particle world and what its episodes return."""

    module: str
    kwargs: dict[str, float]
    return_bounds: tuple[float, float]
    """Mean of uniform play and of a scripted policy that sees everything; see README.md."""


SHARED = {"max_cycles": STEPS, "local_ratio": 0.0}
WORLDS = {
    "simple_spread_2": World("simple_spread_v3", {"N": 2, **SHARED}, (-41.0, -11.0)),
    "simple_spread_3": World("simple_spread_v3", {"N": 3, **SHARED}, (-54.0, -14.0)),
    "simple_reference": World("simple_reference_v3", SHARED, (-28.0, -8.0)),
    "simple_speaker_listener": World(
        "simple_speaker_listener_v4", {"max_cycles": STEPS}, (-43.0, -8.0)
    ),
}


def build_particles(task: str, config: MpeConfig) -> Env:
    """Give one copy of a particle world; ValueError for an unknown one."""
    if task not in WORLDS:
        raise ValueError(f"mpe has no task {task!r}; it has {', '.join(WORLDS)}")
    return Replayed(partial(particles, task, config.continuous_actions))


def particles(task: str, continuous: bool = False) -> Parallel:
    """Make a particle world that holds no drawing surface."""
    world = WORLDS[task]
    module = simulator(f"mpe2.{world.module}", pip_install("mpe"))
    env = module.parallel_env(**world.kwargs, continuous_actions=continuous)
    env.unwrapped.screen = None  # 2 MB a copy, for drawing alone
    config = Config(reward="shared", limit=STEPS, leaving=False)
    return Parallel(env, config, version("mpe2"), world.return_bounds)
