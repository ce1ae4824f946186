"""Policies without learning: the reference lines for learning curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench_skirmish.env import SEEN
from marlbench_skirmish.gather import STOP
from marlbench_skirmish.gather_view import (
    GOLD,
    GROUND,
    IRON,
    MATE,
    PIXELS,
    RADIUS,
    SIDE,
    SPAN,
    WALL,
)
from marlbench_skirmish.world import FIRST_ATTACK

EAST = 4
AWAY = SPAN - RADIUS
"""Rows or columns of a picture's cells, counted from the agent."""
GOLD_LATER = 100
"""More steps than any iron that is seen is away."""


def focus_fire(step: Step, spec: EnvSpec) -> NDArray[np.int64]:
    """Give actions (E, A): shoot the weakest enemy in reach, else walk to the nearest one seen.

    Among equally weak enemies the first, so that all agents choose the same one without a word.
    Whoever sees no enemy walks east, where enemies start. An agent's action depends on its own
    observation alone. Gives (A,) for the step of one copy.
    """
    avail = step.avail  # (E, A, U)
    enemies = spec.num_actions - FIRST_ATTACK
    width = unit_width(spec, enemies)
    seen = step.obs[..., 4 : 4 + enemies * width].reshape(*avail.shape[:-1], enemies, width)
    shots = avail[..., FIRST_ATTACK:]  # (E, A, M)
    weakest = np.where(shots, seen[..., 4], np.inf).argmin(-1) + FIRST_ATTACK  # (E, A)
    actions = np.where(shots.any(-1), weakest, approach(seen, avail))
    return np.where(step.alive, actions, 0)


def charge(step: Step) -> NDArray[np.int64]:
    """Give actions (E, A): shoot the first enemy in reach, else go east, else stop.

    Blind but for what is available: how often it wins says how little a task asks for.
    """
    shots = range(FIRST_ATTACK, step.avail.shape[-1])
    order = np.array([*shots, EAST, 1, 0, 2, 3, 5])  # (U,) the best first
    return order[step.avail[..., order].argmax(-1)]


def approach(seen: NDArray[np.float32], avail: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give the move (E, A) along the longer axis to the nearest of seen enemies (E, A, M, .)."""
    visible = seen[..., 4] > 0  # (E, A, M)
    nearest = np.where(visible, seen[..., 1], np.inf).argmin(-1)[..., None, None]
    dx, dy = np.moveaxis(np.take_along_axis(seen[..., 2:4], nearest, -2)[..., 0, :], -1, 0)
    across = np.abs(dx) >= np.abs(dy)
    move = np.where(across, np.where(dx > 0, 4, 5), np.where(dy > 0, 2, 3))
    move = np.where(visible.any(-1), move, EAST)
    allowed = np.take_along_axis(avail, move[..., None], -1)[..., 0]
    return np.where(allowed, move, 1)


def unit_width(spec: EnvSpec, enemies: int) -> int:
    """Give the features per seen unit: those before the type bits, and the bits."""
    units = spec.num_agents + enemies
    assert spec.state_shape is not None
    return SEEN + spec.state_shape[0] // units - 4


def nearest_item(step: Step) -> NDArray[np.int64]:
    """Give moves (E, A) in a gathering task: to the nearest iron, else to gold, else inwards.

    Gold is chosen by one's own steps to it plus a seen mate's, so that both choose the same one
    without a word, and waited at. Each agent reads its own picture alone. Gives (A,) for the
    step of one copy.
    """
    ground = step.obs[..., ::PIXELS, ::PIXELS, :]  # (E, A, 11, 11, 3)
    wall, iron, gold = ((ground == GROUND[kind]).all(-1) for kind in (WALL, IRON, GOLD))
    own = np.abs(AWAY[:, None]) + np.abs(AWAY)  # (11, 11)
    together = own + steps_of_mate(step.obs)  # (E, A, 11, 11)
    cost = np.where(iron, own, np.where(gold, GOLD_LATER + together, np.inf))
    cost = cost.reshape(*cost.shape[:-2], -1)  # (E, A, 121)
    target = np.stack(np.divmod(cost.argmin(-1), SIDE), axis=-1) - RADIUS  # (E, A, 2)
    best = cost.min(-1)  # (E, A)
    arrived = np.isfinite(best) & (best >= GOLD_LATER) & (np.abs(target).sum(-1) <= 1)
    target = np.where(np.isfinite(best)[..., None], target, inwards(wall))
    return np.where(arrived, STOP, heading(target))


def steps_of_mate(obs: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Give the steps (E, A, 11, 11) of the first seen mate to each cell; zeros if none is seen."""
    mate = (obs[..., PIXELS - 1 :: PIXELS, 1::PIXELS, :] == MATE).all(-1)  # (E, A, 11, 11)
    flat = mate.reshape(*mate.shape[:-2], -1)  # (E, A, 121)
    row, column = (place[..., None, None] for place in np.divmod(flat.argmax(-1), SIDE))
    steps = np.abs(SPAN[:, None] - row) + np.abs(SPAN - column)  # (E, A, 11, 11)
    return steps * flat.any(-1)[..., None, None]


def inwards(wall: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give rows and columns (E, A, 2) away from walls (E, A, 11, 11) that are seen."""
    lines = np.stack([wall[..., :, RADIUS], wall[..., RADIUS, :]], axis=-2)  # (E, A, 2, 11)
    return lines.astype(np.int64) @ -np.sign(AWAY)


def heading(target: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the move (...) along the longer axis of rows and columns (..., 2) to go."""
    rows, columns = target[..., 0], target[..., 1]
    vertical = np.where(rows < 0, 1, 2)
    sideways = np.where(columns > 0, 3, 4)
    move = np.where(np.abs(rows) > np.abs(columns), vertical, sideways)
    return np.where(target.any(-1), move, STOP)
