"""Draws a battle from above, and gathering as its agents see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.drawing import AGENT, ENEMY, Colour, Disc, Shot, board, side_by_side
from marlbench_skirmish.config import Config
from marlbench_skirmish.env import SEEN, VectorSkirmish
from marlbench_skirmish.gather import VectorGather
from marlbench_skirmish.tasks import TASKS, Task
from marlbench_skirmish.world import World

RADIUS = {"ranged": 0.32, "melee": 0.38, "heavy": 0.5}
"""Of a unit's disc, in map units; for the eye alone, units have no size."""
THERE = 0.25
"""Size of a unit's largest feature from which it is drawn: of a unit that is seen one is larger."""
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


def observation(task: str, config: Config, obs: NDArray[Any]) -> NDArray[np.uint8]:
    """Draw what an agent sees, or a model imagines that it sees (O,): a map (height, width, 3).

    Itself with the circle of its sight, and whom it sees at their place beside it; nothing where
    it is gone.
    """
    battle = TASKS[task]
    return board(battle.size, discs_seen(battle, config.sight, obs))


def discs_seen(battle: Task, sight: float, obs: NDArray[Any]) -> list[Disc]:
    """Give the discs of an observation (O,), the agent's own first; none where it is gone."""
    kinds = len(battle.types) if len(battle.types) > 1 else 0
    units, own = np.split(obs[4:], [-4 - kinds])
    if np.abs(own).max() < THERE:
        return []
    x, y = (own[2:4] + 1) * battle.size / 2
    others = units.reshape(-1, SEEN + kinds)
    return [
        replace(disc(battle, own[4:], (x, y), AGENT, own[0]), sight=sight),
        *(
            seen(battle, each, AGENT if n >= len(battle.enemies) else ENEMY, (x, y), sight)
            for n, each in enumerate(others)
            if np.abs(each).max() >= THERE
        ),
    ]


def seen(
    battle: Task, unit: NDArray[Any], colour: Colour, at: tuple[float, float], sight: float
) -> Disc:
    """Give the disc of a unit that is seen from a place."""
    x, y = at[0] + sight * unit[2], at[1] + sight * unit[3]
    return disc(battle, unit[SEEN:], (x, y), colour, unit[4])


def disc(
    battle: Task, kind: NDArray[Any], at: tuple[float, float], colour: Colour, health: float
) -> Disc:
    """Give a disc of the likeliest type, large, since such pictures stand small beside each other.

    Health is at least a trace: nobody sees the dead.
    """
    name = battle.types[int(kind.argmax()) if len(kind) else 0]
    left = float(np.clip(health, 0.01, 1))
    return Disc(float(at[0]), float(at[1]), 2 * RADIUS[name], colour, name[0], left)
