"""Draws a world of vmas from above; its own renderer wants a display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marlbench.drawing import AGENT, ENEMY, Colour, Disc, Slab, board

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from marlbench_vmas.env import VectorVmas

HALF = 1.3
"""Of the map's side around the origin: agents begin within 1."""
GOAL, STILL = (150, 205, 150), (196, 190, 178)
"""Green where something is to be, grey the floor and the rod that carries."""
THIN = 0.03
"""Width of what is only a line to vmas."""


def picture(env: VectorVmas) -> NDArray[np.uint8]:
    """Give (height, width, 3): agents blue by number, goals green, what is to be moved orange."""
    world = env.world.world
    agents = {agent: str(number) for number, agent in enumerate(world.agents)}
    goals = {agent.goal: agents[agent] for agent in world.agents if hasattr(agent, "goal")}
    discs: list[Disc] = []
    slabs: list[Slab] = []
    for entity in [*world.landmarks, *world.agents]:
        mark = agents.get(entity) or goals.get(entity, "")
        drawn = shape(entity, colour(entity, entity in agents), mark)
        if isinstance(drawn, Disc):
            discs.append(drawn)
        else:
            slabs.append(drawn)
    return board(2 * HALF, discs, slabs=slabs)


def colour(entity: Any, agent: bool) -> Colour:
    """Give the colour of what an entity is for."""
    if agent:
        return AGENT
    if entity.name.startswith("goal"):
        return GOAL
    return ENEMY if entity.name.startswith("package") else STILL


def shape(entity: Any, paint: Colour, mark: str) -> Disc | Slab:
    """Give an entity of the first copy as a disc or a slab, on a map that begins at (0, 0)."""
    x, y = (float(at) + HALF for at in entity.state.pos[0])
    form = entity.shape
    if hasattr(form, "radius"):
        return Disc(x, y, float(form.radius), paint, mark)
    width = THIN if type(form).__name__ == "Line" else float(form.width)
    return Slab(x, y, float(form.length), width, paint, float(entity.state.rot[0]))
