"""The curve of a label: mean, interval, sd and number of seeds at every evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from marlbench.metrics import Metric
from marlbench.report.scores import Cell, Run, shown_bounds
from marlbench.report.statistics import DDOF, student_bands, unanimous_bands

__all__ = ["ENDED", "Band", "band", "drawn", "horizon", "pieces", "span", "spread_labels"]

ENDED = ("failed", "diverged")
"""States of a run whose curve ends where it broke: it is drawn alone and is in no mean."""


@dataclass(frozen=True)
class Band:
    """Over the seeds that are there at each grid point that any of them has reached: each (T,)."""

    steps: NDArray[np.int64]
    seconds: NDArray[np.float64]
    """Mean wall-clock of these seeds; NaN where it is not known."""
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    """Lower end of Student's 95 % interval inside the bounds; the mean where one seed is there.
    Where all episodes got the best or the worst score, the bound that their number gives."""
    high: NDArray[np.float64]
    sd: NDArray[np.float64]
    """0 where one seed is there."""
    n: NDArray[np.int64]


def drawn(cell: Cell, metric: Metric | None = None) -> list[Run]:
    """The runs of a cell that have been evaluated."""
    return [run for run in cell.runs if len(run.curve(metric or cell.metric).steps)]


def band(cell: Cell, metric: Metric | None = None) -> Band | None:
    """Give the curve of the runs that may count yet; None where none has been evaluated."""
    shown = metric or cell.metric
    whole = (run for run in drawn(cell, shown) if run.record.status not in ENDED)
    runs = [run for run in whole if not run.biased]
    if not runs:
        return None
    curves = [run.curve(shown) for run in runs]
    steps = np.unique(np.concatenate([curve.steps for curve in curves]))
    values, noise, seconds = (np.full((len(curves), len(steps)), np.nan) for _ in range(3))
    played = np.zeros((len(curves), len(steps)), np.int64)
    for row, curve in enumerate(curves):
        at = np.searchsorted(steps, curve.steps)
        values[row, at], noise[row, at], seconds[row, at] = curve.values, curve.noise, curve.seconds
        played[row, at] = curve.episodes
    there = np.isfinite(values)
    n = there.sum(0)
    mean = np.where(there, values, 0.0).sum(0) / n
    squares = np.where(there, (values - mean) ** 2, 0.0).sum(0)
    sd = np.sqrt(squares / np.maximum(n - DDOF, 1))
    bounds = shown_bounds(shown)
    low, high = student_bands(values, noise, bounds)
    if bounds is not None:
        ends = unanimous_bands(values, played, bounds)
        low, high = (np.where(np.isnan(e), s, e) for e, s in zip(ends, (low, high), strict=True))
    known = np.isfinite(seconds)
    clock = np.where(known, seconds, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return Band(
        steps=steps,
        seconds=np.where(known.any(0), clock, np.nan),
        mean=mean,
        low=np.where(np.isnan(low), mean, low),
        high=np.where(np.isnan(high), mean, high),
        sd=np.where(n > DDOF, sd, 0.0),
        n=n,
    )


def horizon(row: Sequence[Cell]) -> int:
    """Give the env steps that the axis of a task shows: those of most runs, of several the fewest.

    What was trained for longer is drawn as a line at its value, as in the paper's Figure 2.

    >>> horizon([])
    0
    """
    steps = [run.record.spec.run.steps for cell in row for run in cell.runs]
    return max(steps, key=lambda each: (steps.count(each), -each)) if steps else 0


def span(row: Sequence[Cell], metric: Metric | None = None) -> tuple[float, float]:
    """Give the scores that a panel shows: all of a share's, else those of means and seeds.

    Wide intervals of a first evaluation may leave it, or nothing else would be seen.
    """
    shown = metric or row[0].metric
    bounds = shown_bounds(shown)
    if shown.unit == "%" and bounds:
        return bounds
    curves = [run.curve(shown).values for cell in row for run in drawn(cell, shown)]
    if not curves:
        return bounds or (0.0, 1.0)
    low, high = (float(end(np.concatenate(curves))) for end in (np.min, np.max))
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def pieces(n: NDArray[np.int64]) -> Iterator[tuple[slice, float]]:
    """Give stretches of a curve with the same number of seeds, each with its opacity.

    Neighbours share a point, so that the line is whole.

    >>> [(part.start, part.stop, share) for part, share in pieces(np.array([4, 4, 2, 2]))]
    [(0, 3, 1.0), (2, 4, 0.5)]
    """
    most, start = int(n.max()), 0
    for count, group in groupby(n.tolist()):
        stop = start + len(list(group))
        yield slice(start, min(stop + 1, len(n))), max(count / most, 0.25)
        start = stop


def spread_labels(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Give heights near the wanted ones, at least `gap` apart and inside [low, high].

    Where they do not fit, they stand evenly. Order is kept.

    >>> spread_labels([5.0, 5.0], 2.0, 0.0, 10.0)
    [4.0, 6.0]
    """
    count = len(wanted)
    if count * gap > high - low + gap:
        gap = (high - low) / max(count - 1, 1)
    order = sorted(range(count), key=lambda k: wanted[k])
    groups: list[tuple[list[int], float]] = []  # members and their middle
    for k in order:
        members, middle = [k], wanted[k]
        while True:
            half = gap * (len(members) - 1) / 2
            middle = min(max(middle, low + half), high - half)
            if not groups:
                break
            before, centre = groups[-1]
            if centre + gap * (len(before) + 1) / 2 + half <= middle + 1e-9:
                break
            groups.pop()
            members = before + members
            middle = sum(wanted[m] for m in members) / len(members)
        groups.append((members, middle))
    heights = [0.0] * count
    for members, middle in groups:
        for place, k in enumerate(members):
            heights[k] = middle + gap * (place - (len(members) - 1) / 2)
    return heights
