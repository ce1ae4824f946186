"""Draws a battle from above, and gathering as its agents see it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from marlbench.drawing import AGENT, ENEMY, Disc, Shot, board, side_by_side
from marlbench_skirmish.env import VectorSkirmish
from marlbench_skirmish.gather import VectorGather
from marlbench_skirmish.world import World

RADIUS = {"ranged": 0.32, "melee": 0.38, "heavy": 0.5}
"""Of a unit's disc, in map units; for the eye alone, units have no size."""
ENLARGED = 6
"""Pixels along a pixel of what gatherers see."""


def picture(env: VectorSkirmish | VectorGather) -> NDArray[np.uint8]:
    """Draw the first copy (height, width, 3): agents blue, or each gatherer's own picture."""
    if isinstance(env, VectorGather):
        return side_by_side(env.pictures()[0], ENLARGED)
    world = env.world
    discs = [unit(world, n, env.sight) for n in range(world.agents + world.enemies)]
    return board(world.task.size, discs, shots(world))


def unit(world: World, number: int, sight: float) -> Disc:
    """Give one unit of the first battle as a disc, marked with the first letter of its type."""
    kind, agent = world.task.types[world.kind[0, number]], number < world.agents
    return Disc(
        x=float(world.x[0, number]),
        y=float(world.y[0, number]),
        radius=RADIUS[kind],
        colour=AGENT if agent else ENEMY,
        mark=kind[0],
        health=float(world.health[0, number] / world.full[0, number]),
        sight=sight if agent else 0.0,
    )


def shots(world: World) -> Iterator[Shot]:
    """Give the shots of the last step in the first battle."""
    for agent, enemy in np.argwhere(world.attack[0]).tolist():
        yield Shot(agent, world.agents + enemy)
    for agent, enemy in np.argwhere(world.hit[0]).tolist():
        yield Shot(world.agents + enemy, agent)
