"""`StarCraft2Env` with the arguments and calls of SMAC's; its battles are invented."""

from __future__ import annotations

from typing import Any

from standin_battle import Battle, BrokenConnection, Map, trouble

MAPS = {
    "3m": Map(3, 3, 60),
    "3s5z": Map(8, 8, 150, shields=(1, 1), type_bits=2),
    "25m": Map(25, 25, 150),
    "MMM2": Map(10, 12, 180, type_bits=3),
    "corridor": Map(6, 24, 400, shields=(1, 0)),
    "2c_vs_64zg": Map(2, 64, 400, shields=(1, 0)),
    "2s_vs_1sc": Map(2, 1, 300, shields=(1, 0)),
}


class StarCraft2Env(Battle):  # type: ignore[misc]
    """A battle on one of the maps."""

    def __init__(  # noqa: PLR0913 - the package's
        self,
        map_name: str = "8m",
        step_mul: int = 8,
        move_amount: float = 2,
        difficulty: str = "7",
        game_version: str | None = None,
        seed: int | None = None,
        continuing_episode: bool = False,
        obs_all_health: bool = True,
        obs_own_health: bool = True,
        obs_last_action: bool = False,
        obs_pathing_grid: bool = False,
        obs_terrain_height: bool = False,
        obs_instead_of_state: bool = False,
        obs_timestep_number: bool = False,
        state_last_action: bool = True,
        state_timestep_number: bool = False,
        reward_sparse: bool = False,
        reward_only_positive: bool = True,
        reward_death_value: float = 10,
        reward_win: float = 200,
        reward_defeat: float = 0,
        reward_negative_scale: float = 0.5,
        reward_scale: bool = True,
        reward_scale_rate: float = 20,
        replay_dir: str = "",
        replay_prefix: str = "",
        window_size_x: int = 1920,
        window_size_y: int = 1200,
        heuristic_ai: bool = False,
        heuristic_rest: bool = False,
        debug: bool = False,
    ) -> None:
        super().__init__(MAPS[map_name], seed, continuing_episode)

    def reset(self) -> tuple[list[Any], Any]:
        """Begin an episode; after a connection that broke the units are those of before."""
        self.begin()
        try:
            trouble("reset")
            self.place([45.0] * self.n_agents, [45.0] * self.n_enemies)
        except BrokenConnection:
            self.full_restart()
        return self.get_obs(), self.get_state()
