"""Copies of a synthetic task in lockstep, played by a learner."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np

from marlbench.plugin import Agent
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.vecenv.synchronous import stack

__all__ = ["Lockstep"]

Learner = TypeVar("Learner", bound=Agent)


class Lockstep(Generic[Learner]):
    """The copies, and where they and the policy's state stand."""

    def __init__(self, agent: Learner, sizes: Sizes, num_envs: int = 2, seed: int = 0) -> None:
        self.agent = agent
        self.envs = [Synthetic(sizes) for _ in range(num_envs)]
        self.seeds = iter(range(1000 * seed, 10**9))
        self.now = [env.reset(next(self.seeds)) for env in self.envs]
        self.policy_state = agent.start(num_envs)
        self.rng = np.random.default_rng(seed)

    def play(self) -> dict[str, float] | None:
        """Play one lockstep step and let the agent learn if it is time."""
        step = stack(self.now)
        actions, self.policy_state = self.agent.act(step, self.policy_state, self.rng, explore=True)
        self.agent.observe(step, actions)
        self.now = [
            env.reset(next(self.seeds)) if now.last else env.step(action)
            for env, now, action in zip(self.envs, self.now, actions, strict=True)
        ]
        return self.agent.update()

    def play_until(self, updates: int) -> list[dict[str, float]]:
        """Play until so many calls of `update` have learnt; give their metrics."""
        found: list[dict[str, float]] = []
        while len(found) < updates:
            if metrics := self.play():
                found.append(metrics)
        return found
