"""Makes a parallel environment of what acts in turn, or gives lists where PettingZoo has dicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np

from marlbench.errors import SpecViolation


def maker(module: ModuleType, name: str) -> Callable[..., Any] | None:
    """Give what a module makes its environment with, None if there is none of this name.

    That is what has the name in it, or among the ids that gymnasium knows once it is imported, or
    in the registry of JaxMARL; without a name its `parallel_env`, else its `env`.
    """
    if name in getattr(module, "registered_envs", ()):  # JaxMARL
        from marlbench_pettingzoo import jaxmarl_worlds

        return partial(jaxmarl_worlds.named, name)
    named = vars(module)
    if name in gymnasium.registry:
        return partial(gymnasium.make, name, disable_env_checker=True)
    made = named.get(name) if name else named.get("parallel_env") or named.get("env")
    return made if callable(made) else None


def parallel(env: Any) -> Any:
    """Give an environment in which all agents act at once and answers are by agent."""
    from pettingzoo.utils import AECEnv, aec_to_parallel, turn_based_aec_to_parallel

    if isinstance(env, gymnasium.Env):
        return Listed(env)
    if not isinstance(env, AECEnv):
        return env
    together = env.metadata.get("is_parallelizable", False)
    return aec_to_parallel(env) if together else turn_based_aec_to_parallel(env)


class Listed:
    """A gymnasium environment of many agents, which gives and takes a list with a part for each.

    Its agents are `agent_0` and so on. Flags may be one for all.
    """

    def __init__(self, env: Any) -> None:
        self.env, inside = env, env.unwrapped
        spaces = gymnasium.spaces.Tuple
        if not isinstance(inside.action_space, spaces):
            raise SpecViolation(f"{env} has one agent: its actions are {inside.action_space}")
        self.possible_agents = [f"agent_{i}" for i in range(len(inside.action_space.spaces))]
        self.agents: list[str] = []

    def action_space(self, agent: str) -> Any:
        """Give what an agent may do."""
        return self.env.unwrapped.action_space[self.possible_agents.index(agent)]

    def observation_space(self, agent: str) -> Any:
        """Give what an agent sees."""
        return self.env.unwrapped.observation_space[self.possible_agents.index(agent)]

    def reset(self, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode."""
        seen, _ = self.env.reset(seed=seed)
        self.agents = list(self.possible_agents)
        return self._shared(seen), {}

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Play a joint action; whoever has left is handed in with its first action."""
        first = {name: first_action(self.action_space(name)) for name in self.possible_agents}
        seen, *rest, _ = self.env.step(list((first | actions).values()))
        rewards, terminated, truncated = map(self._shared, rest)
        ended = {name for name in self.agents if terminated[name] or truncated[name]}
        self.agents = [name for name in self.agents if name not in ended]
        return self._shared(seen), rewards, terminated, truncated, {}

    def render(self) -> Any:
        """Give what the environment draws."""
        return self.env.render()

    def close(self) -> None:
        """Free what the simulator holds."""
        self.env.close()

    def _shared(self, given: Any) -> dict[str, Any]:
        """Give each agent its part of a list, or all of them what is one for all."""
        each = list(given) if isinstance(given, Sequence) else [given] * len(self.possible_agents)
        return dict(zip(self.possible_agents, each, strict=True))


def first_action(space: Any) -> Any:
    """Give what stands for an agent that has left: action 0, or zeros of a box."""
    box = isinstance(space, gymnasium.spaces.Box)
    return np.zeros(space.shape, space.dtype) if box else 0


class Turns:
    """Whose turn it is in an environment; where there are turns, the others may only wait."""

    def __init__(self, env: Any, can_wait: bool) -> None:
        from pettingzoo.utils.conversions import turn_based_aec_to_parallel_wrapper

        taken = isinstance(env, turn_based_aec_to_parallel_wrapper)
        if taken and not can_wait:
            raise SpecViolation("agents take turns: with leaving=true they have a no-op to wait by")
        self._env = env.aec_env if taken else None

    def waits(self, name: str) -> bool:
        """Whether this agent has to wait for another."""
        return self._env is not None and bool(self._env.agent_selection != name)
