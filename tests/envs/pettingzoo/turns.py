"""A game in turns: three heaps of one, and whoever takes the last is paid 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv


class Heaps(AECEnv):  # type: ignore[misc]
    """Players in turn say which heap they take (0 to 2); who says one that is gone loses 1."""

    metadata = {"name": "heaps", "is_parallelizable": False}  # noqa: RUF012 - PettingZoo's own
    render_mode = None

    def __init__(self) -> None:
        super().__init__()
        self.possible_agents = ["left", "right"]

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Give what a player sees: which heaps are there."""
        return spaces.Box(0, 1, (3,), np.float32)

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Give what a player may say."""
        return spaces.Discrete(3)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin with the left player."""
        self.agents = list(self.possible_agents)
        self.heaps = np.ones(3, np.float32)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, Any] = {name: {} for name in self.agents}
        self.agent_selection = "left"

    def observe(self, agent: str) -> Any:
        """Give the heaps."""
        return self.heaps.copy()

    def step(self, action: int | None) -> None:
        """Take a heap, or leave once all is over."""
        player = self.agent_selection
        if self.terminations[player]:
            self._was_dead_step(action)
            return
        other = "right" if player == "left" else "left"
        there, self.heaps[action] = self.heaps[action], 0.0
        won = 1.0 if there and not self.heaps.any() else 0.0
        self.rewards = {player: won if there else -1.0, other: 0.0}
        over = not there or not self.heaps.any()
        self.terminations = dict.fromkeys(self.agents, bool(over))
        self.agent_selection = other


def env() -> Heaps:
    """Give the game by the name that PettingZoo's games in turns have."""
    return Heaps()
