"""The `mpe` suite: cooperative particle worlds of mpe2, with a shared reward."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.installation import pip_install
from marlbench.plugin import Env, EnvSpec, Step, episode_return
from marlbench_pettingzoo.config import MpeConfig
from marlbench_pettingzoo.importing import simulator
from marlbench_pettingzoo.numbers import actions_of
from marlbench_pettingzoo.parallel import version
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
    return Replayed(partial(Particles, task, config.continuous_actions))


class Particles:
    """One particle world; its 25 steps end by time-out and its reward is the same for all agents.

    mpe2's own world is moved, without PettingZoo's wrappers and turns and without rewards that are
    not paid: their steps, bit for bit, in less than half of the time. Shorter observations are
    padded with zeros; the state is all of them in a row, unpadded.
    """

    def __init__(self, task: str, continuous: bool = False) -> None:
        """Make the world of a task, without its drawing surface."""
        world = WORLDS[task]
        module = simulator(f"mpe2.{world.module}", pip_install("mpe"))
        self._env = module.raw_env(**world.kwargs, continuous_actions=continuous)
        self._env.screen = None  # 2 MB a copy, for drawing alone
        if self._env.local_ratio == 0.0:
            pay_only_the_team(self._env.scenario)
        self._names: list[str] = self._env.possible_agents
        acts = {name: self._env.action_space(name) for name in self._names}
        self._actions = actions_of(acts, leaving=False, joint=False)
        sizes = [self._env.observation_space(name).shape[0] for name in self._names]
        self._seen = np.arange(max(sizes)) < np.array(sizes)[:, None]  # (A, O)
        agents, width = self._seen.shape
        self._avail = np.zeros((agents, self._actions.count), np.bool_)
        for agent in range(agents):
            self._actions.allow(agent, None, self._avail[agent], ended=False)
        self.spec = EnvSpec(
            num_agents=agents,
            obs_shape=(width,),
            num_actions=self._actions.count,
            episode_limit=STEPS,
            state_shape=(sum(sizes),),
            actions=self._actions.kind,
            bounds=self._actions.bounds,
            metrics=(episode_return(*world.return_bounds),),
            simulator=version("mpe2"),
        )

    @property
    def inside(self) -> Any:
        """The particle world itself."""
        return self._env

    def reset(self, seed: int) -> Step:
        """Begin the episode that this seed decides."""
        self._env.reset(seed=seed)
        return self._arrival(0.0, first=True)

    def step(self, actions: NDArray[Any]) -> Step:
        """Play one joint action (A, *): the world moves once, for all agents together."""
        env, native = self._env, self._actions.native
        env.current_actions = [native(agent, said) for agent, said in enumerate(actions)]
        env._execute_world_step()
        env.steps += 1
        return self._arrival(env.rewards[self._names[0]], last=env.steps >= STEPS)

    def close(self) -> None:
        """Free what the simulator holds."""
        self._env.close()

    def _arrival(self, reward: float, first: bool = False, last: bool = False) -> Step:
        """Give the step on which the world stands."""
        obs = np.zeros(self._seen.shape, np.float32)
        flat = np.concatenate([self._env.observe(name) for name in self._names])
        obs[self._seen] = flat
        return Step(
            obs=obs,
            avail=self._avail.copy(),
            alive=np.ones(len(self._names), np.bool_),
            reward=np.full(len(self._names), reward, np.float32),
            first=first,
            last=last,
            terminal=False,
            state=flat,
        )


def pay_only_the_team(scenario: Any) -> None:
    """Let a scenario that pays agents' own rewards zero times not reckon them."""
    scenario.global_reward = copy(scenario).global_reward  # may be made of agents' own
    scenario.reward = lambda agent, world: 0.0
