"""How labels are drawn: a colour, a dash and a marker per algorithm, its variants as shades."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from zlib import crc32

from marlbench.appearance import Appearance, Dash, Marker
from marlbench.report.scores import Cell, by_label

__all__ = ["DASHES", "Look", "dark", "looks_of", "mixed_colour", "spare_looks"]

DASHES: dict[str, tuple[float, ...]] = {
    "solid": (),
    "dashed": (4.0, 2.0),
    "dotted": (1.2, 1.6),
    "dashdot": (6.0, 1.8, 1.2, 1.8),
    "longdash": (9.0, 2.5),
    "dashdotdot": (6.0, 1.6, 1.2, 1.6, 1.2, 1.6),
}
"""On and off, in widths of the line."""
SPARE: tuple[tuple[str, Dash, Marker], ...] = (
    ("#117A65", "dashed", "up"),
    ("#D35400", "dashdot", "diamond"),
    ("#2E86C1", "longdash", "square"),
    ("#7D3C98", "dotted", "circle"),
    ("#9A7D0A", "solid", "down"),
    ("#1B2631", "dashdotdot", "pentagon"),
    ("#CB4335", "dashed", "left"),
    ("#566573", "dotted", "right"),
)
"""For algorithms that declare no colour, for many variants of one, and for lines of tasks."""
SHADES = (0.0, 0.45, -0.4)
"""Of an algorithm's labels, in order: towards white, or, negative, towards black. A further one
would be too pale to read, or too near to these."""


@dataclass(frozen=True)
class Look:
    """How the lines of a label are drawn."""

    colour: str
    """On white, `#RRGGBB`."""
    dash: Dash
    marker: Marker
    filled: bool
    """Whether its markers are; those of every second variant are hollow."""


def looks_of(cells: Sequence[Cell]) -> dict[str, Look]:
    """Give a look per label, decided by the algorithm and its place among that one's variants.

    Few variants are shades of their algorithm; where there are more, each has a look of its own.
    """
    own = by_label(cells)
    bases: dict[str, Appearance] = {}
    for cell in sorted(own.values(), key=lambda cell: cell.algorithm):
        if cell.algorithm not in bases:
            bases[cell.algorithm] = _base(cell, [each.colour for each in bases.values()])
    spare = spare_looks([base.colour for base in bases.values()])
    looks: dict[str, Look] = {}
    for algorithm, base in bases.items():
        variants = [label for label, cell in own.items() if cell.algorithm == algorithm]
        first = Look(base.colour, base.dash, base.marker, filled=True)
        few = len(variants) <= len(SHADES)
        looks |= zip(variants, _shades(first) if few else chain([first], spare), strict=False)
    return {label: looks[label] for label in own}


def spare_looks(taken: Sequence[str] = ()) -> Iterator[Look]:
    """Give looks without end, none of a colour that is taken while others are left.

    >>> [look.colour for look, _ in zip(spare_looks(["#117A65"]), range(2))]
    ['#D35400', '#2E86C1']
    """
    free = [each for each in SPARE if each[0] not in taken] or SPARE
    for turn in count():
        for colour, dash, marker in free:
            yield Look(colour, dash, marker, filled=turn % 2 == 0)


def _shades(look: Look) -> Iterator[Look]:
    """A look, then lighter and darker ones; markers of every second one are hollow."""
    for nth, shade in enumerate(SHADES):
        colour = mixed_colour(look.colour, "#FFFFFF" if shade > 0 else "#000000", abs(shade))
        yield replace(look, colour=colour, filled=nth % 2 == 0)


def _base(cell: Cell, taken: Sequence[str]) -> Appearance:
    """What an algorithm declares, or a spare look by its name, the next one if that is taken."""
    if cell.appearance.colour:
        return cell.appearance
    first = crc32(cell.algorithm.encode()) % len(SPARE)
    ordered = [*SPARE[first:], *SPARE[:first]]
    free = next((each for each in ordered if each[0] not in taken), ordered[0])
    return Appearance(colour=free[0], dash=free[1], marker=free[2])


def mixed_colour(colour: str, other: str, share: float) -> str:
    """Give a colour with a share of another in it.

    >>> mixed_colour("#000000", "#FFFFFF", 0.5)
    '#808080'
    """
    pairs = ((int(c[k : k + 2], 16) for c in (colour, other)) for k in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in pairs)


def dark(colour: str) -> str:
    """Give a colour for a dark page: dark ones are lightened more, so that all are seen."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    light = 0.3 * red + 0.59 * green + 0.11 * blue
    return mixed_colour(colour, "#FFFFFF", max(0.15, 0.65 - light))
