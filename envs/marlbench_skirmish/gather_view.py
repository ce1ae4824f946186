"""Draws what gatherers see: 11 x 11 cells around each agent, 4 x 4 pixels a cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Image = NDArray[np.uint8]

RADIUS, PIXELS = 5, 4
"""Cells that an agent sees in each direction; pixels along a cell."""
SIDE = 2 * RADIUS + 1
"""Cells along a picture."""
SPAN = np.arange(SIDE)
FLOOR, WALL, IRON, GOLD, DARK = range(5)
GROUND = np.array([(24, 40, 24), (120, 120, 120), (200, 70, 40), (250, 210, 40), (0, 0, 0)], "u1")
"""Colours of what a cell has, which fills it: floor, off the map, items, out of sight."""
OWN, MATE = np.array([(255, 255, 255), (60, 140, 255)], "u1")
"""Colours of the agent itself (upper middle of its cell) and of mates (lower middle)."""
WITH_MATE, WITH_SELF = len(GROUND), 2 * len(GROUND)
"""What an agent on it adds to a cell's code."""


def tiles() -> Image:
    """Give (codes, 4, 12): the rows of pixels of each code of a cell."""
    ground = np.broadcast_to(GROUND[:, None, None], (len(GROUND), PIXELS, PIXELS, 3))
    picture = np.tile(ground, (4, 1, 1, 1))  # (codes, 4, 4, 3)
    bits = np.repeat(np.arange(4), len(GROUND))
    picture[bits >= 2, :2, 1:3] = OWN
    picture[bits % 2 == 1, 2:, 1:3] = MATE
    return picture.reshape(len(picture), PIXELS, -1)


class View:
    """The eyes of A agents on E maps."""

    def __init__(self, num_envs: int, side: int, sight: float) -> None:
        size = side + 2 * RADIUS  # with a rim of wall as wide as agents see
        self._empty = np.full((num_envs, size, size), WALL, np.int64)
        self._empty[:, RADIUS:-RADIUS, RADIUS:-RADIUS] = FLOOR
        away = SPAN - RADIUS
        self._dark = np.hypot(away[:, None], away) > sight  # (11, 11)
        self._tiles = tiles()
        self._env = np.arange(num_envs)[:, None]  # (E, 1)

    def images(self, agents: Ints, items: Ints, kinds: Ints) -> Image:
        """Give (E, A, 44, 44, 3) from cells (E, A, 2), (E, K, 2) and ground kinds (E, K).

        Cells are row, column. An item whose kind is the floor is gone.
        """
        ground, crowd = self._empty.copy(), np.zeros_like(self._empty)  # (E, size, size)
        ground[self._env, *places(items)] = kinds
        np.add.at(crowd, (self._env, *places(agents)), 1)
        row, column = agents[..., 0, None, None], agents[..., 1, None, None]  # (E, A, 1, 1)
        window = (self._env[..., None, None], row + SPAN[:, None], column + SPAN)
        mates = crowd[window]  # (E, A, 11, 11)
        mates[..., RADIUS, RADIUS] -= 1
        code = ground[window] + WITH_MATE * (mates > 0)
        code[..., RADIUS, RADIUS] += WITH_SELF
        code[..., self._dark] = DARK
        return self._painted(code)

    def _painted(self, code: Ints) -> Image:
        """Give (E, A, 44, 44, 3) from codes of cells (E, A, 11, 11)."""
        line = np.arange(PIXELS)[:, None]
        rows = self._tiles[code[..., None, :], line]  # (E, A, 11, 4, 11, 12)
        return rows.reshape(*code.shape[:2], SIDE * PIXELS, SIDE * PIXELS, 3)


def places(cells: Ints) -> tuple[Ints, Ints]:
    """Give row and column, each (E, N), of cells (E, N, 2) on a map with its rim."""
    return cells[..., 0] + RADIUS, cells[..., 1] + RADIUS
