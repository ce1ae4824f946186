"""MAPPO's agent-specific state: for every agent a vector of all units as that agent stands to them.

Yu et al. 2022, arXiv:2103.01955v4, whose own SMAC gives it by default; README.md lists its features
[code: onpolicy/envs/starcraft2/StarCraft2_Env.py@de66d7a, get_state_agent].

`env` is the packages' `StarCraft2Env`. K is its number of unit types, 0 where all are alike; N
that of a side's units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOVES = slice(2, 6)
FIRST_TARGET = 6
HEALERS = ("MMM", "terran_gen")
"""Types of maps that have medivacs, whose energy stands where the others' cooldown does."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """The units of a side."""

    alive: NDArray[np.bool_]
    """(N,)"""
    place: Array
    """(N, 2) on the map."""
    condition: Array
    """(N, 1 or 2) what is left of health, and of the shield if the side has any, of 1."""
    kind: Array
    """(N, K) the type, one-hot."""
    centred: Array
    """(N, 2) from the middle of the map, in sizes of its playable area."""


def size(env: Any) -> int:
    """Give S, which needs no game."""
    agents, kinds, actions = env.n_agents, env.unit_type_bits, env.n_actions
    own = 7 + env.shield_bits_ally + kinds + actions
    enemy = 8 + env.shield_bits_enemy + kinds
    return int((agents - 1) * (own + 1) + env.n_enemies * enemy + 4 + own + agents)


def agent_states(env: Any, avail: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give states (A, S), of available actions (A, U); of the dead only who they are is left."""
    us = side(env, env.agents, env.n_agents, ally=True)
    them = side(env, env.enemies, env.n_enemies, ally=False)
    agents = len(us.alive)
    sight = np.array([[env.unit_sight_range(agent)] for agent in range(agents)], float)  # (A, 1)
    about = np.concatenate([us.condition, us.centred, us.kind, env.last_action], -1)  # (A, F)
    here = np.tile([1.0, 0.0, 0.0, 0.0], (agents, 1))  # (A, 4) seen, and at no distance
    parts = [
        of_allies(us, sight, np.concatenate([weapons(env), about], -1)),
        of_enemies(us, them, sight, avail[:, FIRST_TARGET:]),
        avail[:, MOVES],
        np.concatenate([here, about], -1),
    ]
    states = np.concatenate([part.reshape(agents, -1) for part in parts], -1)
    states[~us.alive] = 0.0
    return np.concatenate([states, np.eye(agents)], -1).astype(np.float32)  # (A, S)


def side(env: Any, units: Mapping[int, Any], count: int, ally: bool) -> Side:
    """Read the units of a side, by number."""
    each = [units[number] for number in range(count)]
    place = np.array([[unit.pos.x, unit.pos.y] for unit in each])  # (N, 2)
    extent = np.array([env.max_distance_x, env.max_distance_y])
    condition = [[unit.health / unit.health_max for unit in each]]
    if env.shield_bits_ally if ally else env.shield_bits_enemy:
        condition.append([unit.shield / env.unit_max_shield(unit) for unit in each])
    kind = np.zeros((count, env.unit_type_bits))
    for number, unit in enumerate(each if env.unit_type_bits else ()):
        kind[number, env.get_unit_type_id(unit, ally)] = 1.0
    return Side(
        alive=np.array([unit.health > 0 for unit in each]),
        place=place,
        condition=np.array(condition).T,
        kind=kind,
        centred=(place - np.array([env.map_x, env.map_y]) / 2) / extent,
    )


def weapons(env: Any) -> Array:
    """Give how far from its next shot each agent is, or what energy it has to heal, (A, 1)."""
    return np.array(
        [
            [
                (unit.energy if heals(env, unit) else unit.weapon_cooldown)
                / env.unit_max_cooldown(unit)
            ]
            for unit in (env.agents[agent] for agent in range(env.n_agents))
        ]
    )


def heals(env: Any, unit: Any) -> bool:
    """Say whether an agent's unit is a medivac."""
    return env.map_type in HEALERS and bool(unit.unit_type == env.medivac_id)


def relations(us: Side, them: Side, sight: Array) -> tuple[Array, Array]:
    """Give who is in sight (A, N, 1), and distance, x and y in units of sight (A, N, 3)."""
    away = them.place - us.place[:, None]  # (A, N, 2)
    distance = np.hypot(away[..., 0], away[..., 1])  # (A, N)
    near = (distance < sight)[..., None].astype(float)
    return near, np.concatenate([distance[..., None], away], -1) / sight[..., None]


def of_allies(us: Side, sight: Array, about: Array) -> Array:
    """Give what concerns the other agents (A, A - 1, F), zeros for the dead."""
    agents = len(us.alive)
    every = np.broadcast_to(about, (agents, *about.shape))
    features = np.concatenate([*relations(us, us, sight), every], -1)  # (A, A, F)
    features = features * us.alive[:, None]
    return features[~np.eye(agents, dtype=bool)].reshape(agents, agents - 1, -1)


def of_enemies(us: Side, them: Side, sight: Array, targets: NDArray[np.bool_]) -> Array:
    """Give what concerns the enemies (A, N, F), zeros for the dead; `targets` (A, at least N)."""
    count = len(them.alive)
    about = np.concatenate([them.condition, them.kind, them.centred], -1)  # (N, F)
    near, relation = relations(us, them, sight)
    every = np.broadcast_to(about, (len(us.alive), *about.shape))
    features = np.concatenate([targets[:, :count, None], relation, near, every], -1)  # (A, N, F)
    return features * them.alive[:, None]
