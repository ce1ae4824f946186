"""Environments of JaxMARL by their names there, made such that PettingZoo's users know them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jax
import jaxmarl
import numpy as np
from gymnasium import spaces

from marlbench.errors import SpecViolation

Answer = tuple[dict[str, Any], dict[str, Any]]


def named(name: str, **kwargs: Any) -> JaxWorld:
    """Make the environment that JaxMARL has under this name; it is compiled once a process."""
    return JaxWorld(*compiled(name, json.dumps(kwargs, sort_keys=True)))


@cache
def compiled(name: str, kwargs: str) -> tuple[Any, Any, Any]:
    """Give an environment, its compiled `reset` and its compiled step without a reset in it."""
    world = jaxmarl.make(name, **json.loads(kwargs))
    return world, jax.jit(world.reset), jax.jit(world.step_env)


class JaxWorld:
    """One world. Its observations are of the shapes that it shows, which its spaces may not say.

    JaxMARL has one flag for an end of any kind: at the world's own `max_steps` it is taken for a
    time-out. Masks are the world's where it has some.
    """

    def __init__(self, world: Any, reset: Any, step: Any) -> None:
        """Look at what a reset shows."""
        self.world, self._reset, self._step = world, reset, step
        self.possible_agents = list(world.agents)
        self.agents: list[str] = []
        self._late = getattr(world, "max_steps", None) or np.inf
        if self._late < np.inf:
            self.max_episode_steps = int(self._late) + 1  # some count from 0, and end one later
        self._shown, self._state = jax.eval_shape(world.reset, jax.random.PRNGKey(0))
        self._masked = True
        self._time = 0

    def observation_space(self, agent: str) -> spaces.Box:
        """Give what an agent sees: bytes as bytes, all else as numbers."""
        shown = self._shown[agent]
        if shown.dtype == np.uint8:
            return spaces.Box(0, 255, shown.shape, np.uint8)
        return spaces.Box(-np.inf, np.inf, shown.shape, np.float32)

    def action_space(self, agent: str) -> spaces.Discrete:
        """Give what an agent may do."""
        space = self.world.action_space(agent)
        if not hasattr(space, "n"):
            raise SpecViolation(f"{agent} acts by a {type(space).__name__}, not Discrete")
        return spaces.Discrete(int(space.n))

    def reset(self, seed: int) -> Answer:
        """Begin an episode."""
        self._key, key = jax.random.split(jax.random.PRNGKey(seed))
        seen, self._state = self._reset(key)
        self.agents, self._time = list(self.possible_agents), 0
        return self._told(seen), self._masks()

    def step(self, actions: dict[str, int]) -> tuple[dict[str, Any], ...]:
        """Play a joint action; whoever has left is handed in with its first one."""
        self._key, key = jax.random.split(self._key)
        chosen = {name: np.int32(actions.get(name, 0)) for name in self.possible_agents}
        seen, self._state, rewards, done, _ = self._step(key, self._state, chosen)
        self._time += 1
        over = bool(done["__all__"])
        late = over and self._time >= self._late
        ended = {name: over or bool(done[name]) for name in self.agents}
        terminated = {name: end and not late for name, end in ended.items()}
        truncated = {name: end and late for name, end in ended.items()}
        paid = {name: float(rewards[name]) for name in self.agents}
        self.agents = [name for name in self.agents if not ended[name]]
        return self._told(seen), paid, terminated, truncated, self._masks()

    def close(self) -> None:
        """Hold nothing."""

    def _told(self, seen: dict[str, Any]) -> dict[str, Any]:
        return {name: np.asarray(seen[name]) for name in self.possible_agents}

    def _masks(self) -> dict[str, Any]:
        """Give the masks of the world, if it has some."""
        if not self._masked:
            return {}
        try:
            masks = self.world.get_avail_actions(self._state)
        except (NotImplementedError, AttributeError):
            self._masked = False
            return {}
        return {name: {"action_mask": np.asarray(masks[name])} for name in self.agents}
