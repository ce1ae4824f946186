"""Names of tasks, and what each asks its package for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from marlbench_starcraft.config import Config, State

Package = Literal["smac", "smacv2"]

SMAC_PAPER = ("2c_vs_64zg", "3s5z", "25m", "corridor", "MMM2")
SMAC_MAPS = (
    *SMAC_PAPER,
    *("2s_vs_1sc", "3m", "8m", "5m_vs_6m", "8m_vs_9m", "10m_vs_11m", "27m_vs_30m"),
    *("MMM", "2s3z", "3s5z_vs_3s6z", "3s_vs_3z", "3s_vs_4z", "3s_vs_5z", "1c3s5z"),
    *("2m_vs_1z", "6h_vs_8z", "so_many_baneling", "bane_vs_bane"),
)
"""Every map of the package's registry, those of the DMAWM paper first."""

RACES: dict[str, dict[str, Any]] = {
    "protoss": {"unit_types": ["stalker", "zealot", "colossus"], "weights": [0.45, 0.45, 0.1]},
    "terran": {
        "unit_types": ["marine", "marauder", "medivac"],
        "weights": [0.45, 0.45, 0.1],
        "exception_unit_types": ["medivac"],
    },
    "zerg": {
        "unit_types": ["zergling", "baneling", "hydralisk"],
        "weights": [0.45, 0.1, 0.45],
        "exception_unit_types": ["baneling"],
    },
}
"""Unit types and their odds; a team of exceptions alone is drawn again [SMACv2, examples]."""

SIZES = ((5, 5), (10, 10), (10, 11), (20, 20), (20, 23))
EPO = "_epo"
"""Extended partial observability: only who saw an enemy first sees it, and no attack is masked."""

BATTLES = {
    f"{race}_{allies}_vs_{enemies}": (race, allies, enemies)
    for allies, enemies in SIZES
    for race in RACES
}
SMACV2_PAPER = tuple(BATTLES)[: len(RACES)]
SMACV2_TASKS = (*BATTLES, *(battle + EPO for battle in BATTLES))


@dataclass(frozen=True)
class Order:
    """What a game's process is asked to play; picklable."""

    package: Package
    arguments: dict[str, Any]
    """Keyword arguments of the package's environment, all but the seed."""
    state: State


def smac_order(task: str, config: Config) -> Order:
    """Give the order for a map of SMAC; ValueError if there is none of this name."""
    if task not in SMAC_MAPS:
        raise ValueError(f"smac has no map {task!r}; it has {', '.join(SMAC_MAPS)}")
    return Order("smac", {"map_name": task, **shared_arguments(config)}, config.state)


def smacv2_order(task: str, config: Config) -> Order:
    """Give the order for a battle of SMACv2; ValueError if there is none of this name."""
    if task not in SMACV2_TASKS:
        raise ValueError(f"smacv2 has no task {task!r}; it has {', '.join(SMACV2_TASKS)}")
    race, allies, enemies = BATTLES[task.removesuffix(EPO)]
    arguments = {
        "map_name": f"10gen_{race}",
        "capability_config": capabilities(race, allies, enemies),
        "obs_own_pos": True,
        "use_unit_ranges": True,
        "min_attack_range": 2,
        "conic_fov": False,
        "prob_obs_enemy": 0.0 if task.endswith(EPO) else 1.0,
        "action_mask": not task.endswith(EPO),
        **shared_arguments(config),
    }
    return Order("smacv2", arguments, config.state)


def capabilities(race: str, allies: int, enemies: int) -> dict[str, Any]:
    """Give SMACv2's `capability_config`: what is drawn anew in every episode."""
    return {
        "n_units": allies,
        "n_enemies": enemies,
        "team_gen": {"dist_type": "weighted_teams", "observe": True, **RACES[race]},
        "start_positions": {
            "dist_type": "surrounded_and_reflect",
            "p": 0.5,
            "map_x": 32,
            "map_y": 32,
        },
    }


def shared_arguments(config: Config) -> dict[str, Any]:
    """Give the arguments that both packages take.

    A `continuing_episode` differs from another in one thing: a time-out is named in the info.
    """
    return {
        "difficulty": config.difficulty,
        "game_version": config.game_version or None,
        "continuing_episode": True,
    }
