"""What a study's figures show: lines of its variants, found among the runs by their settings.

A run is of a variant if its algorithm's settings are the variant's and otherwise what its presets
say, whoever started it. Runs of different presets are never put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from marlbench.config import RunSpec
from marlbench.fields import flatten
from marlbench.metrics import Metric
from marlbench.report.bands import ENDED, band, drawn
from marlbench.report.caveats import by_task, mixed
from marlbench.report.looks import Look, looks_of, spare_looks
from marlbench.report.scores import Cell, shown_bounds
from marlbench.report.statistics import DDOF
from marlbench.studies import Study, StudyFigure, Variant

__all__ = ["Chart", "Line", "charts"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Line:
    """What one line of a figure shows; each array is (T,)."""

    name: str
    look: Look
    x: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    """Lower end of the interval; the mean where there is none."""
    high: NDArray[np.float64]
    n: NDArray[np.int64]
    """Seeds: of the task that has the fewest."""


@dataclass(frozen=True)
class Chart:
    """One figure of a study, ready to be drawn."""

    title: str
    x: str
    y: str
    digits: int
    span: tuple[float, float]
    """Scores at its bottom and top."""
    lines: tuple[Line, ...]
    along: bool
    """Whether x is a setting; else env steps."""
    said: str
    """In words what a point is."""


@dataclass(frozen=True)
class _Found:
    """The cells of a figure's variants under the same presets."""

    figure: StudyFigure
    presets: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Cell]]
    """By task, then by variant."""
    looks: Mapping[str, Look]
    """By label, as the whole report draws them."""

    @property
    def names(self) -> list[str]:
        """The variants that are there, in the figure's order."""
        there = {name for row in self.rows.values() for name in row}
        return [name for name in self.figure.variants if name in there]


def charts(cells: Sequence[Cell], study: Study) -> Iterator[Chart]:
    """Give the figures of a study of which two variants are there, for each set of presets."""
    presets = dict.fromkeys(_spec(cell).presets for cell in cells)
    for figure in study.figures:
        found = [_found(cells, study, figure, each) for each in presets]
        found = [each for each in found if len(each.names) > 1]
        for each in found:
            whose = f", {' + '.join(each.presets)}" if len(found) > 1 else ""
            chart = (_along if figure.along else _over_steps)(each, f"{figure.title}{whose}")
            if chart is not None:
                yield chart


def _spec(cell: Cell) -> RunSpec:
    return cell.runs[0].record.spec


def _found(
    cells: Sequence[Cell], study: Study, figure: StudyFigure, presets: tuple[str, ...]
) -> _Found:
    rows: dict[str, dict[str, Cell]] = {}
    suites = {cell.suite for cell in cells}
    for (suite, task), row in by_task(cells):
        shown = {}
        for name in figure.variants:
            for cell in row:
                if _spec(cell).presets == presets and is_of(_spec(cell), study.variants[name]):
                    shown[name] = cell
        if shown and not mixed(list({cell.label: cell for cell in shown.values()}.values())):
            rows[task if len(suites) == 1 else f"{suite}/{task}"] = shown
    return _Found(figure, presets, rows, looks_of(cells))


def is_of(spec: RunSpec, variant: Variant) -> bool:
    """Say whether a run has a variant's settings, and else its presets' own."""
    wanted: dict[str, Any] = flatten((), dict(variant.settings))
    has = flatten((), spec.algorithm_config)
    return (
        spec.algorithm == variant.algorithm
        and spec.algorithm_changes.keys() <= wanted.keys()
        and all(key in has and has[key] == value for key, value in wanted.items())
    )


def _over_steps(found: _Found, title: str) -> Chart | None:
    """Means over the tasks that all variants have, against env steps."""
    names = found.names
    tasks = [
        task
        for task, row in found.rows.items()
        if all(name in row and band(row[name]) is not None for name in names)
    ]
    scale = _Scale.of([found.rows[task][names[0]].metric for task in tasks])
    if not tasks or scale is None:
        return None
    lines = []
    for name in names:
        row = [found.rows[task][name] for task in tasks]
        lines.append(_mean_line(name, found.looks[row[0].label], row, scale))
    many = f"the mean over {len(tasks)} tasks ({', '.join(tasks)})"
    return Chart(
        title=title,
        x="env steps",
        y=scale.title,
        digits=scale.digits,
        span=scale.span or _span(lines),
        lines=tuple(lines),
        along=False,
        said=(
            f"A line is {many if len(tasks) > 1 else tasks[0]} of the means over seeds; the band "
            "is its 95 % interval by Student's t, tasks' seeds being drawn apart (Satterthwaite)."
        ),
    )


@dataclass(frozen=True)
class _Scale:
    """What the scores of several tasks are shown as: their own unit, or 0 worst and 1 best."""

    title: str
    digits: int
    span: tuple[float, float] | None
    """What the axis shows; None: what there is."""
    common: bool
    """Whether it is the tasks' own unit."""

    @staticmethod
    def of(metrics: Sequence[Metric]) -> _Scale | None:
        """Give the scale of these metrics; None where nothing makes them comparable."""
        same = {(each.name, each.unit, each.bounds) for each in metrics}
        if len(same) == 1:
            metric = metrics[0]
            span = shown_bounds(metric) if metric.unit == "%" else None
            return _Scale(metric.axis, metric.digits, span, common=True)
        if not metrics or any(each.bounds is None for each in metrics):
            return None
        return _Scale("normalised score", 3, (0.0, 1.0), common=False)

    def factors(self, metric: Metric) -> tuple[float, float]:
        """Give (offset, factor): a shown score less the offset, times the factor, is on it."""
        if self.common or metric.bounds is None:
            return 0.0, 1.0
        worst, best = (metric.scale * bound for bound in metric.bounds)
        return worst, 1 / (best - worst)


def _mean_line(name: str, look: Look, row: Sequence[Cell], scale: _Scale) -> Line:
    """The mean over tasks at the grid points that all of them have."""
    grids = [each.steps for cell in row if (each := band(cell)) is not None]
    steps = grids[0]
    for grid in grids[1:]:
        steps = np.intersect1d(steps, grid)
    per_task = [_moments(cell, steps, scale) for cell in row]
    mean = np.mean([each[0] for each in per_task], axis=0)
    part = np.array([each[1] for each in per_task]) / len(row) ** 2  # (K, T) share of the variance
    n = np.array([each[2] for each in per_task])  # (K, T)
    half = _half_width(part, n)
    low, high = mean - half, mean + half
    if scale.span is not None:
        low, high = (np.clip(end, *scale.span) for end in (low, high))
    return Line(name, look, steps.astype(np.float64), mean, low, high, n.min(0))


def _moments(cell: Cell, steps: NDArray[np.int64], scale: _Scale) -> tuple[NDArray[Any], ...]:
    """Mean over seeds, its variance and how many seeds, at these grid points; each (T,).

    The variance is at least what the finite number of episodes gives.
    """
    offset, factor = scale.factors(cell.metric)
    runs = [run for run in drawn(cell) if run.record.status not in ENDED and not run.biased]
    values, noise = np.full((2, len(runs), len(steps)), np.nan)
    for k, run in enumerate(runs):
        curve = run.curve(cell.metric)
        _, there, at = np.intersect1d(steps, curve.steps, return_indices=True)
        values[k, there] = (curve.values[at] - offset) * factor
        noise[k, there] = curve.noise[at] * abs(factor)
    n = np.isfinite(values).sum(0)
    mean = np.nansum(values, 0) / n
    spread = np.nansum((values - mean) ** 2, 0) / np.maximum(n - DDOF, 1)
    return mean, np.maximum(spread, np.nansum(noise**2, 0) / n) / n, n


def _half_width(variance: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Half the width (T,) of the interval of a sum of independent means, variances (K, T).

    Student's t with Satterthwaite's degrees of freedom; 0 where a task has one seed alone.
    """
    total = variance.sum(0)
    parts = (variance**2 / np.maximum(n - DDOF, 1)).sum(0)
    freedom = np.where(parts > 0, total**2 / np.where(parts > 0, parts, 1.0), 1.0)
    width = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(total)
    return np.where((n > DDOF).all(0), width, 0.0)


def _along(found: _Found, title: str) -> Chart | None:
    """What each task came to at the end, against the setting."""
    key = found.figure.along
    lines = []
    for (task, row), look in zip(found.rows.items(), spare_looks(), strict=False):
        points = {_value(cell, key): cell for cell in row.values() if cell.counted}
        if len(points) > 1:
            lines.append(_task_line(task, look, sorted(points.items())))
    if not lines:
        return None
    metrics = [next(iter(row.values())).metric for row in found.rows.values()]
    alike = len({(each.name, each.unit) for each in metrics}) == 1
    own = shown_bounds(metrics[0]) if alike and metrics[0].unit == "%" else None
    return Chart(
        title=title,
        x=key,
        y=metrics[0].axis if alike else "score",
        digits=metrics[0].digits,
        span=own or _span(lines),
        lines=tuple(lines),
        along=True,
        said="A point is what finished runs came to, with its 95 % interval as in the results.",
    )


def _value(cell: Cell, key: str) -> float:
    return float(flatten((), _spec(cell).algorithm_config)[key])


def _task_line(task: str, look: Look, points: Sequence[tuple[float, Cell]]) -> Line:
    found = [cell.statistics for _, cell in points]
    mean = np.array([each.mean for each in found], np.float64)
    low, high = (
        np.array([m if end is None else end for m, end in zip(mean, ends, strict=True)], np.float64)
        for ends in ([each.low for each in found], [each.high for each in found])
    )
    x, n = np.array([x for x, _ in points]), np.array([each.n for each in found])
    return Line(task, look, x, mean, low, high, n)


def _span(lines: Sequence[Line]) -> tuple[float, float]:
    low = min(float(line.low.min()) for line in lines)
    high = max(float(line.high.max()) for line in lines)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room
