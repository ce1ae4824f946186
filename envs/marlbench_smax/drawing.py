"""Draws a scenario: units with their health, how far agents see, who shoots at whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.drawing import AGENT, ENEMY, Disc, Shot, board
from marlbench_smax.battle import FIRST_ATTACK, Battle
from marlbench_smax.env import VectorSmax

ENLARGED = 1.6
"""Discs are so much larger than units: on a map of 32 these would hardly be seen."""


def picture(env: VectorSmax) -> NDArray[np.uint8]:
    """Draw the first copy (height, width, 3): agents blue, enemies orange, jaxmarl's letters."""
    units, battle = env.units(0), env.battle
    discs = [unit(units, battle, n) for n in range(battle.agents + battle.enemies)]
    return board(battle.env.map_width, discs, shots(units, battle))


def unit(units: Mapping[str, NDArray[Any]], battle: Battle, number: int) -> Disc:
    """Give one unit as a disc."""
    env, kind, agent = battle.env, int(units["unit_types"][number]), number < battle.agents
    x, y = units["unit_positions"][number].tolist()
    return Disc(
        x=x,
        y=y,
        radius=ENLARGED * float(env.unit_type_radiuses[kind]),
        colour=AGENT if agent else ENEMY,
        mark=env.unit_type_shorthands[kind],
        health=float(units["unit_health"][number] / env.unit_type_health[kind]),
        sight=float(env.unit_type_sight_ranges[kind]) if agent else 0.0,
    )


def shots(units: Mapping[str, NDArray[Any]], battle: Battle) -> Iterator[Shot]:
    """Give who aimed at whom in the last step, the living ones."""
    alive, count = units["unit_alive"], battle.agents
    for number, action in enumerate(units["prev_attack_actions"].tolist()):
        chosen = action - FIRST_ATTACK
        # an enemy counts agents from the last to the first, as jaxmarl shows them to it
        target = count + chosen if number < count else count - 1 - chosen
        if chosen >= 0 and alive[number]:
            yield Shot(number, target)
