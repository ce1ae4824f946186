"""Policies without learning: the reference lines for learning curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench_skirmish.env import SEEN
from marlbench_skirmish.world import FIRST_ATTACK

EAST = 4


def uniform(step: Step, rng: np.random.Generator) -> NDArray[np.int64]:
    """Give actions (E, A) drawn uniformly from those that are available."""
    return (rng.random(step.avail.shape) * step.avail).argmax(-1)


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
