"""`StarCraft2Env` of SMACv2: teams and places come with each reset; its battles are invented."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from standin_battle import Battle, BrokenConnection, Map, trouble

HEALTH = {
    **{"stalker": 80.0, "zealot": 100.0, "colossus": 200.0},
    **{"marine": 45.0, "marauder": 125.0, "medivac": 150.0},
    **{"zergling": 35.0, "baneling": 30.0, "hydralisk": 90.0},
}
SHIELDS = {"10gen_protoss": (1, 1), "10gen_terran": (0, 0), "10gen_zerg": (0, 0)}


class CannotResetException(Exception):  # noqa: N818 - the package's name
    """The units did not appear."""


class StarCraft2Env(Battle):  # type: ignore[misc]
    """A battle of teams that are drawn by others."""

    def __init__(  # noqa: PLR0913 - the package's
        self,
        map_name: str = "8m",
        seed: int | None = None,
        continuing_episode: bool = False,
        capability_config: dict[str, Any] = {},  # noqa: B006 - the package's own
        obs_own_pos: bool = False,
        use_unit_ranges: bool = False,
        min_attack_range: float = 2,
        conic_fov: bool = False,
        prob_obs_enemy: float = 1.0,
        action_mask: bool = True,
        difficulty: str = "7",
        game_version: str | None = None,
    ) -> None:
        agents, enemies = capability_config["n_units"], capability_config["n_enemies"]
        places = 2 * obs_own_pos
        bits = len(capability_config["team_gen"]["unit_types"])
        field = Map(agents, enemies, 200, SHIELDS[map_name], bits, own_extra=places)
        super().__init__(field, seed, continuing_episode, masks_attacks=action_mask)

    def reset(self, episode_config: dict[str, Any] = {}) -> tuple[list[Any], Any]:  # noqa: B006
        """Begin an episode with this team in these places."""
        self.begin()
        try:
            trouble("reset")
            if trouble("unspawned"):
                raise CannotResetException("waited for units to spawn and they didn't")
            teams = episode_config["team_gen"]
            self.place(*([HEALTH[name] for name in teams[side]] for side in SIDES))
            self.shown = np.concatenate(
                [episode_config["ally_start_positions"]["item"].ravel(), self.ally_health]
            )
        except BrokenConnection:
            self.full_restart()
        return self.get_obs(), self.get_state()

    def get_obs(self) -> list[Any]:
        """Look in a random order, as the package does."""
        order = list(range(self.n_agents))
        random.shuffle(order)
        return [obs for _, obs in sorted((agent, self.get_obs_agent(agent)) for agent in order)]


SIDES = ("ally_team", "enemy_team")
