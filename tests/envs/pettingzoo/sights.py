"""Games whose agents see images, images with numbers beside them, or each something else."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from tests.envs.pettingzoo.rounds import Rounds

BYTES = np.uint8


def image(*shape: int) -> spaces.Box:
    """Say that an image of this shape is seen."""
    return spaces.Box(0, 255, shape, BYTES)


class Cockpit(Rounds):
    """Two pictures, one of them channels first, and three kinds of numbers."""

    sees = spaces.Dict(
        {
            "ahead": image(3, 10, 12),
            "fuel": spaces.Box(-1.0, 3.0, (2,), np.float32),
            "gear": spaces.Discrete(3, start=-1),
            "radar": image(6, 4, 1),
        }
    )

    def seen(self, names: list[str]) -> dict[str, Any]:
        """Show the round in every part."""
        ahead = np.zeros((3, 10, 12), BYTES)
        ahead[2], ahead[0, 9, 11] = self.round, 200
        fuel = np.array([self.round - 1, 9.0], np.float32)  # the second is beyond its bound
        radar = np.full((6, 4, 1), 10 * self.round, BYTES)
        return {
            name: {"ahead": ahead, "fuel": fuel, "gear": np.int64(1), "radar": radar}
            for name in names
        }


class Endless(Cockpit):
    """The same, with numbers that have no bounds."""

    sees = spaces.Dict({"ahead": image(3, 10, 12), "fuel": spaces.Box(-np.inf, np.inf, (2,))})


class Unlike(Rounds):
    """`red` sees a picture in grey, `blue` a smaller one in colour and a number."""

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Give what an agent sees."""
        if agent == "red":
            return image(9, 5, 1)
        return spaces.Dict({"map": image(4, 6, 3), "turn": spaces.MultiBinary(1)})

    def seen(self, names: list[str]) -> dict[str, Any]:
        """Show the round."""
        whole = {
            "red": np.full((9, 5, 1), self.round, BYTES),
            "blue": {"map": np.full((4, 6, 3), 7, BYTES), "turn": np.ones(1, np.int8)},
        }
        return {name: whole[name] for name in names}


class Frames(Rounds):
    """Four frames of 20 x 18, channels first."""

    sees = image(4, 20, 18)

    def seen(self, names: list[str]) -> dict[str, Any]:
        """Show the round in the last frame."""
        frames = np.zeros((4, 20, 18), BYTES)
        frames[3] = self.round
        return dict.fromkeys(names, frames)


class Crowd(Rounds):
    """A hundred agents more, with spaces of two kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.possible_agents += [f"green_{k}" for k in range(100)]

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Give what an agent sees."""
        return spaces.Box(0, 100, (3 if agent.startswith("green") else 2,), np.float32)

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Give what an agent may do."""
        return spaces.Discrete(5 if agent == "green_7" else 2)

    def seen(self, names: list[str]) -> dict[str, Any]:
        """Show the round and a draw."""
        drawn = self.draws.random(3, np.float32)
        return {name: drawn[: 3 if name.startswith("green") else 2] for name in names}
