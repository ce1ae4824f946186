"""A small PettingZoo environment with all that is awkward: unequal agents, masks, leaving."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv


class Leavers(ParallelEnv):  # type: ignore[misc]
    """`short` is terminated after two steps, `long` ends after four as it is told to.

    `long` sees (t, draw, last action), has actions 0 to 2, on odd t only 0, and is paid 1 a step;
    `short` sees (t,), has actions 5 and 6 and is paid its action.
    """

    metadata = {"name": "leavers"}  # noqa: RUF012 - PettingZoo's own convention

    def __init__(self, end: str = "truncated", together: bool = False) -> None:
        self.possible_agents = ["short", "long"]
        self.agents: list[str] = []
        self.end, self.lives = end, {"short": 4 if together else 2, "long": 4}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Give what an agent sees."""
        return spaces.Box(-10, 10, (1 if agent == "short" else 3,), np.float32)

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Give what an agent may do."""
        return spaces.Discrete(2, start=5) if agent == "short" else spaces.Discrete(3)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin with both."""
        self.agents, self.t, self.action = self.possible_agents[:], 0, 0
        self.draw = np.random.default_rng(seed).random()
        return self.seen(), self.masks()

    def step(self, actions: dict[str, int]) -> Any:
        """Pay, and let go of those whose time is over."""
        assert set(actions) == set(self.agents)
        assert all(self.action_space(name).contains(a) for name, a in actions.items())
        self.t, self.action = self.t + 1, actions["long"]
        rewards = {name: 1.0 if name == "long" else float(actions[name]) for name in actions}
        over = {name: self.t >= self.lives[name] for name in actions}
        cut = {name: over[name] and name == "long" and self.end == "truncated" for name in actions}
        terminated = {name: over[name] and not cut[name] for name in actions}
        seen, masks = self.seen(), self.masks()
        self.agents = [name for name in self.agents if not over[name]]
        return seen, rewards, terminated, cut, masks

    def seen(self) -> dict[str, Any]:
        """Give what everyone present sees."""
        rows = {"short": [self.t], "long": [self.t, self.draw, self.action]}
        return {name: np.array(rows[name], np.float32) for name in self.agents}

    def masks(self) -> dict[str, Any]:
        """Give the information of everyone present, with the mask of `long`."""
        free = int(self.t % 2 == 0)
        mask = np.array([1, free, free], np.int8)
        return {name: {"action_mask": mask} if name == "long" else {} for name in self.agents}


class Unseeded(Leavers):
    """The same, but its draw ignores the seed: it cannot be played again."""

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin with both."""
        return super().reset(None, options)


def parallel_env(**kwargs: Any) -> Leavers:
    return Leavers(**kwargs)
