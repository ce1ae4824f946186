"""What suites draw with: discs and slabs on a square map, with pillow; pixels come out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["AGENT", "ENEMY", "Colour", "Disc", "Shot", "Slab", "board", "side_by_side"]

Colour = tuple[int, int, int]
AGENT, ENEMY = (44, 110, 180), (220, 95, 40)
"""Blue and orange: apart for eyes of every kind."""
GROUND, LINE, INK, LOST = (246, 245, 240), (224, 222, 214), (60, 60, 60), (150, 150, 150)
PIXELS = 360
"""Along a board."""
MARGIN = 0.04
"""Of the map's side, around it: units at its edge are seen whole."""
FINE = 2
"""Pixels are drawn so many times finer, for smooth edges."""


@dataclass(frozen=True)
class Disc:
    """Something that stands on a map; x to the right, y upwards, in map units."""

    x: float
    y: float
    radius: float
    colour: Colour
    mark: str = ""
    """A letter or number in it."""
    health: float | None = None
    """Share that is left, drawn as a bar; 0: it has fallen, a cross."""
    sight: float = 0.0
    """Radius of the circle that it sees."""


@dataclass(frozen=True)
class Slab:
    """A rectangle around (x, y), in map units; it lies below all discs."""

    x: float
    y: float
    length: float
    width: float
    colour: Colour
    angle: float = 0.0
    """Radians by which its length is turned from the x axis, counter-clockwise."""


@dataclass(frozen=True)
class Shot:
    """A shot from one disc to another, by their numbers."""

    source: int
    target: int


def board(
    size: float,
    discs: Sequence[Disc],
    shots: Iterable[Shot] = (),
    cell: float = 0.0,
    slabs: Iterable[Slab] = (),
) -> NDArray[np.uint8]:
    """Draw a square map (height, width, 3), with lines every `cell` map units."""
    image = Image.new("RGB", (PIXELS * FINE, PIXELS * FINE), GROUND)
    pen = Pen(ImageDraw.Draw(image), size)
    pen.map(cell or size)
    for slab in slabs:
        pen.slab(slab)
    for disc in discs:
        pen.sight(disc)
    for shot in shots:
        pen.shot(discs[shot.source], discs[shot.target])
    for disc in sorted(discs, key=lambda disc: disc.health != 0):  # the fallen lie below
        pen.disc(disc)
    return np.asarray(image.resize((PIXELS, PIXELS), Image.Resampling.BOX)).copy()


def side_by_side(pictures: NDArray[np.uint8], scale: int, gap: int = 8) -> NDArray[np.uint8]:
    """Give one picture of K equal ones (K, height, width, 3), enlarged, with gaps between."""
    large = pictures.repeat(scale, 1).repeat(scale, 2)
    between = np.full((large.shape[1], gap, 3), GROUND, np.uint8)
    parts = [part for picture in large for part in (between, picture)]
    return np.concatenate(parts[1:], axis=1)


class Pen:
    """Draws in map units on a canvas of pixels."""

    def __init__(self, canvas: ImageDraw.ImageDraw, size: float) -> None:
        self._canvas, self._size = canvas, size
        self._scale = PIXELS * FINE / (size * (1 + 2 * MARGIN))

    def map(self, cell: float) -> None:
        """Draw the map's edge and lines every so many map units."""
        for at in np.arange(0, self._size + cell / 2, cell).tolist():
            for ends in ([(at, 0), (at, self._size)], [(0, at), (self._size, at)]):
                self._canvas.line([self._place(*end) for end in ends], LINE, FINE)

    def sight(self, disc: Disc) -> None:
        """Draw how far a living disc sees."""
        if disc.sight and disc.health != 0:
            self._canvas.ellipse(self._box(disc, disc.sight), outline=LINE, width=FINE)

    def slab(self, slab: Slab) -> None:
        """Draw a rectangle, however it is turned."""
        along = np.array([np.cos(slab.angle), np.sin(slab.angle)])
        across = np.array([-along[1], along[0]])
        corners = [
            along * (x * slab.length / 2) + across * (y * slab.width / 2)
            for x, y in ((1, 1), (1, -1), (-1, -1), (-1, 1))
        ]
        places = [self._place(slab.x + float(dx), slab.y + float(dy)) for dx, dy in corners]
        self._canvas.polygon(places, slab.colour, INK, FINE)

    def shot(self, source: Disc, target: Disc) -> None:
        """Draw a shot in the colour of who fires, a little to the side of one that comes back."""
        (x, y), (to_x, to_y) = self._place(source.x, source.y), self._place(target.x, target.y)
        length = max(float(np.hypot(to_x - x, to_y - y)), 1.0)
        aside_x, aside_y = (to_y - y) / length * FINE * 2, (x - to_x) / length * FINE * 2
        ends = [(x + aside_x, y + aside_y), (to_x + aside_x, to_y + aside_y)]
        self._canvas.line(ends, source.colour, 2 * FINE)

    def disc(self, disc: Disc) -> None:
        """Draw a disc with its mark and health, or a cross where it fell."""
        left, top, right, bottom = box = self._box(disc, disc.radius)
        if disc.health == 0:
            self._canvas.line([(left, top), (right, bottom)], LOST, 2 * FINE)
            self._canvas.line([(left, bottom), (right, top)], LOST, 2 * FINE)
            return
        self._canvas.ellipse(box, disc.colour, INK, FINE)
        if disc.mark:
            font = ImageFont.load_default(max(right - left, 10) * 0.62)
            self._canvas.text(self._place(disc.x, disc.y), disc.mark, "white", font, anchor="mm")
        if disc.health is not None:
            self._bar(disc.health, left, top - 5 * FINE, right)

    def _bar(self, share: float, left: float, top: float, right: float) -> None:
        """Draw what is left of something as a bar."""
        height = 3 * FINE
        self._canvas.rectangle((left, top, right, top + height), LINE)
        full = left + (right - left) * min(share, 1.0)
        self._canvas.rectangle((left, top, full, top + height), (60, 150, 80))

    def _place(self, x: float, y: float) -> tuple[float, float]:
        """Give the pixel of a place on the map."""
        rim = MARGIN * self._size
        return (rim + x) * self._scale, (rim + self._size - y) * self._scale

    def _box(self, disc: Disc, radius: float) -> tuple[float, float, float, float]:
        (x, y), r = self._place(disc.x, disc.y), radius * self._scale
        return x - r, y - r, x + r, y + r
