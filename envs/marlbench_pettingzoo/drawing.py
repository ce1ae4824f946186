"""Draws environments with their own renderer, and foraging on a board of ours.

The renderer of lbforaging wants a display; this one does not.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.drawing import AGENT, ENEMY, Disc, board
from marlbench.installation import pip_install
from marlbench_pettingzoo.importing import simulator
from marlbench_pettingzoo.replayed import Replayed


def picture(env: Replayed) -> NDArray[np.uint8]:
    """Give (height, width, 3): what the environment itself draws of where it stands.

    NotImplementedError says in one line why it draws nothing.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # no display is needed for an array
    try:
        with warnings.catch_warnings(action="ignore"):  # of fonts that are not there, say
            world: Any = env.drawn()
            drawn = world.inside.render()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())
        raise NotImplementedError(f"the environment draws no pictures: {reason}") from error
    if not isinstance(drawn, np.ndarray) or drawn.ndim != 3 or drawn.shape[2] != 3:
        raise NotImplementedError(f"the environment's render gives a {type(drawn).__name__}")
    return drawn.astype(np.uint8)


def particles_picture(env: Replayed) -> NDArray[np.uint8]:
    """Give (350, 350, 3): mpe2's own picture at half its size."""
    pygame = simulator("pygame", pip_install("mpe"))
    world: Any = env.inside.inside  # type: ignore[attr-defined]
    kept = world.render_mode, world.screen
    world.render_mode, world.screen = "rgb_array", pygame.Surface((world.width, world.height))
    try:
        large = world.render()  # (700, 700, 3)
    finally:
        world.render_mode, world.screen = kept
    height, width, _ = large.shape
    halves = large.reshape(height // 2, 2, width // 2, 2, 3)
    return halves.mean((1, 3)).astype(np.uint8)


def foraging_picture(env: Replayed) -> NDArray[np.uint8]:
    """Give (height, width, 3): players blue, food orange, each with its level."""
    world: Any = env.inside.inside  # type: ignore[attr-defined]
    rows, _ = world.field.shape
    there = [(*player.position, player.level, AGENT) for player in world.players]
    there += [(*cell, world.field[tuple(cell)], ENEMY) for cell in np.argwhere(world.field > 0)]
    discs = [
        Disc(column + 0.5, rows - row - 0.5, 0.35, colour, str(int(level)))
        for row, column, level, colour in there
    ]
    return board(rows, discs, cell=1)
