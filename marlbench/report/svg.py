"""Draws with SVG for the page: a plane with axes, and what stands in it, as text.

Colours are the page's own (`var(--c)` of a label's class), so that figures follow light, dark and
print. Everything is in pixels of the `viewBox`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from marlbench.report.looks import DASHES, Look

__all__ = ["LETTER", "Plane", "area", "fitted", "line", "mark", "shortened", "tag", "text", "ticks"]

LETTER = 7.2
"""Pixels of a letter of a label's name, about: bold, 11 pixels high."""


def tag(name: str, content: str = "", /, **attributes: object) -> str:
    """Give an element; `_` in the names of attributes is `-`, a trailing one is dropped.

    >>> tag("rect", width=3, class_="a b")
    '<rect width="3" class="a b"/>'
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{said}>{content}</{name}>" if content else f"<{name}{said}/>"


def text(said: str, x: float, y: float, **attributes: object) -> str:
    """Give a text at a place, literally."""
    return tag("text", escape(said), x=short(x), y=short(y), **attributes)


def short(value: float) -> str:
    """A coordinate with a tenth of a pixel.

    >>> short(12.0), short(0.25)
    ('12', '0.2')
    """
    return f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True)
class Plane:
    """A rectangle of the picture and the numbers that it shows."""

    left: float
    right: float
    top: float
    bottom: float
    x: tuple[float, float]
    """Numbers at left and right."""
    y: tuple[float, float]
    """Numbers at bottom and top."""

    def at_x(self, value: float) -> float:
        """Pixel of a number across."""
        low, high = self.x
        return self.left + (value - low) / ((high - low) or 1.0) * (self.right - self.left)

    def at_y(self, value: float) -> float:
        """Pixel of a number upwards; what lies outside stands at the edge."""
        low, high = self.y
        inside = min(max(value, low), high)
        return self.bottom - (inside - low) / ((high - low) or 1.0) * (self.bottom - self.top)

    def points(self, x: Iterable[float], y: Iterable[float]) -> str:
        """Points of a path."""
        pairs = zip(x, y, strict=True)
        return " ".join(f"{short(self.at_x(a))},{short(self.at_y(b))}" for a, b in pairs)

    def axes(self, title_x: str, title_y: str = "") -> str:
        """Grid, ticks and the names of both axes; without a name none upwards."""
        parts = []
        for tick in ticks(*self.x):
            x = self.at_x(tick)
            parts.append(tag("path", d=f"M{short(x)} {short(self.top)}V{short(self.bottom)}"))
            parts.append(text(number(tick), x, self.bottom + 14, text_anchor="middle"))
        for tick in ticks(*self.y, 5) if title_y else ():
            y = self.at_y(tick)
            parts.append(tag("path", d=f"M{short(self.left)} {short(y)}H{short(self.right)}"))
            parts.append(text(number(tick), self.left - 5, y + 3.5, text_anchor="end"))
        middle = (self.left + self.right) / 2
        parts.append(text(title_x, middle, self.bottom + 29, text_anchor="middle"))
        if title_y:
            up = (self.top + self.bottom) / 2
            turned = f"rotate(-90 11 {short(up)})"
            parts.append(text(title_y, 11, up, text_anchor="middle", transform=turned))
        return tag("g", "".join(parts), class_="axes")


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Give at most `count` round numbers inside [low, high].

    >>> ticks(0, 30_000, 6), ticks(-42.0, -10.0, 5)
    ([0.0, 10000.0, 20000.0, 30000.0], [-40.0, -30.0, -20.0, -10.0])
    """
    if not high > low:
        return [low]
    rough = (high - low) / count
    size = 10.0 ** floor(log10(rough))
    step = next(size * each for each in (1, 2, 5, 10, 20) if (high - low) / (size * each) < count)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def number(value: float) -> str:
    """A tick in few letters.

    >>> number(30_000), number(-0.5), number(2.5e6)
    ('30k', '-0.5', '2.5M')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def line(points: str, look: Look, opacity: float = 1.0, **attributes: object) -> str:
    """Give the line of a label."""
    dashes = " ".join(short(2 * each) for each in DASHES[look.dash]) or None
    shown = None if opacity == 1.0 else f"{opacity:.2f}"
    return tag("polyline", points=points, stroke_dasharray=dashes, opacity=shown, **attributes)


def area(plane: Plane, x: Sequence[float], low: Sequence[float], high: Sequence[float]) -> str:
    """Give the points of a band between two curves."""
    return f"{plane.points(x, high)} {plane.points(reversed(x), reversed(low))}"


SHAPES = {
    "circle": "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
    "square": "M-3.2 -3.2h6.4v6.4h-6.4z",
    "up": "M0 -4.2L4 3.2H-4z",
    "down": "M0 4.2L4 -3.2H-4z",
    "left": "M-4.2 0L3.2 4V-4z",
    "right": "M4.2 0L-3.2 4V-4z",
    "diamond": "M0 -4.6L4.2 0L0 4.6L-4.2 0z",
    "cross": "M-4 -2.6l1.4 -1.4L0 -1.4L2.6 -4L4 -2.6L1.4 0L4 2.6L2.6 4L0 1.4L-2.6 4L-4 2.6L-1.4 0z",
    "plus": "M-1.1 -4h2.2v2.9h2.9v2.2h-2.9v2.9h-2.2v-2.9h-2.9v-2.2h2.9z",
    "pentagon": "M0 -4.2L4 -1.3L2.5 3.4H-2.5L-4 -1.3z",
}


def mark(look: Look, x: float, y: float) -> str:
    """Give the marker of a label at a place in pixels."""
    kind = "mark" if look.filled else "mark hollow"
    return tag(
        "path", d=SHAPES[look.marker], transform=f"translate({short(x)} {short(y)})", class_=kind
    )


def fitted(name: str, width: float, among: Iterable[str] = ()) -> str:
    """A name as far as it fits into so many pixels of 11 pixel letters, told from those beside it.

    >>> fitted("MAPPO", 60), fitted("MAPPO (horizon=12)", 80)
    ('MAPPO', 'MAPPO…n=12)')
    """
    return shortened(name, int(width / LETTER), among)


def shortened(name: str, room: int, among: Iterable[str] = ()) -> str:
    """A name in at most so many letters.

    Where all are variants of one title, it is left out of them first. Their ends stay, by which
    variants are told apart; where another name `among` those beside it would read the same, it is
    cut where they differ.

    >>> shortened("MAPPO (gamma=0.95)", 15, ["MAPPO", "MAPPO (gamma=0.9)"])
    '(gamma=0.95)'
    >>> shortened("MAPPO (far, 6k steps)", 15, ["MAPPO (600 steps)", "MAT"])
    'MAPPO (far, 6k…'
    """
    title, bracket, _ = name.partition(" (")
    every = {name, *among}
    alike = all(each == title or each.startswith(f"{title} (") for each in every)
    if bracket and alike and len(every) > 1 and max(map(len, every)) > room:
        name, *among = (each.removeprefix(f"{title} ") for each in [name, *every])
    if len(name) <= room:
        return name
    half = max(0, (room - 1) // 2)
    nearest = sorted(range(room - 1), key=lambda tail: abs(tail - half))
    others = [each for each in among if each != name and len(each) > room]
    apart = (
        tail
        for tail in (half, 0, *nearest)
        if all(_cut(name, room, tail) != _cut(each, room, tail) for each in others)
    )
    return _cut(name, room, next(apart, half))


def _cut(name: str, room: int, tail: int) -> str:
    """A name of so many letters, the last ones of it behind what is left out."""
    return f"{name[: max(1, room - 1 - tail)].rstrip()}…{name[len(name) - tail :]}"
