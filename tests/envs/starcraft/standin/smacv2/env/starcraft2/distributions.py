"""Teams and start positions, drawn as SMACv2 draws them: from generators of its own, unseeded."""

from __future__ import annotations

from copy import deepcopy
from random import shuffle
from typing import Any

import numpy as np

Drawn = dict[str, Any]


class WeightedTeams:
    """`weighted_teams`."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.rng, self.env_key = config, np.random.default_rng(), config["env_key"]
        self.exceptions = config.get("exception_unit_types", set())

    def team(self, size: int) -> list[str]:
        """Draw until not everybody is an exception."""
        team: list[str] = []
        while not team or all(member in self.exceptions for member in team):
            types, odds = self.config["unit_types"], self.config["weights"]
            team = [str(name) for name in self.rng.choice(types, size=size, p=odds)]
            shuffle(team)
        return team

    def generate(self) -> Drawn:
        """Give both teams, the enemies' beginning as the allies'."""
        allies = self.team(self.config["n_units"])
        more = self.config["n_enemies"] - len(allies)
        enemies = allies + (self.team(more) if more else [])
        return {self.env_key: {"ally_team": allies, "enemy_team": enemies, "id": 0}}


class PerAgentUniform:
    """`per_agent_uniform`: the positions of `reflect_position`."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.rng = config, np.random.default_rng()

    def generate(self) -> Drawn:
        """Give a place for everybody."""
        shape = (self.config["n_units"], 2)
        upper = (self.config["map_x"] / 2 - 1, self.config["map_y"])
        return {"ally_start_positions": {"item": self.rng.uniform((0, 0), upper, shape), "id": 0}}


class Reflect:
    """`reflect_position`."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.pos_generator = PerAgentUniform(deepcopy(config))

    def generate(self) -> Drawn:
        """Give the places of its part."""
        return self.pos_generator.generate()


class Surrounded:
    """`surrounded`: everybody in the middle."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.rng = config, np.random.default_rng()

    def generate(self) -> Drawn:
        """Give a place for everybody, moved a little for the tests to see the draw."""
        places = np.full((self.config["n_units"], 2), self.config["map_x"] / 2)
        return {"ally_start_positions": {"item": places + self.rng.uniform(), "id": 0}}


class SurroundedAndReflect:
    """`surrounded_and_reflect`."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.p_threshold, self.rng = config["p"], np.random.default_rng()
        self.surrounded_distribution = Surrounded(config)
        self.reflect_distribution = Reflect(config)

    def generate(self) -> Drawn:
        """Draw which of the two it is, and let it draw."""
        surrounded = self.rng.random() > self.p_threshold
        return (
            self.surrounded_distribution if surrounded else self.reflect_distribution
        ).generate()


DISTRIBUTIONS: dict[str, Any] = {
    "weighted_teams": WeightedTeams,
    "surrounded_and_reflect": SurroundedAndReflect,
}
