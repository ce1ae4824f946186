"""What labels come to across tasks: aggregates, performance profile, comparisons, for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marlbench.report.aggregates import (
    Estimate,
    aggregates,
    average_ranks,
    normalised,
    performance_profile,
    probability_of_improvement,
)
from marlbench.report.caveats import by_task, mixed
from marlbench.report.comparisons import Comparison, corrected, paired, welch
from marlbench.report.exhibits import Exhibit, Panel
from marlbench.report.forest import said_of
from marlbench.report.results_table import leaders
from marlbench.report.scores import Cell
from marlbench.report.svg import Plane, area, fitted, line, tag, text

__all__ = ["Scores", "aggregate_rows", "common", "compared", "profiles"]

TAUS = np.linspace(0.0, 1.0, 41)
"""Normalised scores at which the profile is drawn."""


@dataclass(frozen=True)
class Scores:
    """Normalised values of the labels that have finished seeds on all tasks that compare."""

    tasks: tuple[str, ...]
    values: dict[str, list[NDArray[np.float64]]]
    """Per label, per task its runs (n_t,): 0 the worst declared score, 1 the best."""
    left_out: tuple[str, ...]
    """Sentences on labels and tasks that are not in it."""


def common(cells: Sequence[Cell]) -> Scores:
    """Give the scores that can be put together: tasks with bounds whose runs compare."""
    usable, left_out = [], []
    for (suite, task), row in by_task(cells):
        why = "its suite declares no bounds" if row[0].metric.bounds is None else ""
        why = why or ("its runs do not compare (†)" if mixed(row) else "")
        if why:
            left_out.append(f"{suite}/{task}: {why}")
        elif any(cell.counted for cell in row):
            usable.append((f"{suite}/{task}", {c.label: c for c in row if c.counted}))
    labels = dict.fromkeys(label for _, row in usable for label in row)
    whole = [label for label in labels if all(label in row for _, row in usable)]
    left_out += [f"{label}: not on every task" for label in labels if label not in whole]
    values = {label: [_normalised(row[label]) for _, row in usable] for label in whole}
    return Scores(tuple(name for name, _ in usable), values if usable else {}, tuple(left_out))


def _normalised(cell: Cell) -> NDArray[np.float64]:
    metric = cell.metric
    assert metric.bounds is not None
    sign = 1 if metric.bounds[0] < metric.bounds[1] else -1  # lower is better: worst is above
    worst, best = (sign * metric.scale * bound for bound in metric.bounds)
    return normalised(sign * cell.values(), (worst, best))


def aggregate_rows(scores: Scores, names: Mapping[str, str]) -> Iterator[list[str]]:
    """Give a row per label: the aggregates, the rank, and the chance to beat the first by rank."""
    ranks = average_ranks(scores.values)
    first = min(ranks, key=lambda label: ranks[label].value)
    for label, samples in scores.values.items():
        found = aggregates(samples)
        chance = "—"
        if label != first:
            chance = _said(probability_of_improvement(scores.values[first], samples))
        four = (found.iqm, found.mean, found.median, found.optimality_gap)
        yield [names[label], *map(_said, four), _said(ranks[label]), chance, str(found.runs)]


HEAD = (
    *("label", "interquartile mean", "mean", "median", "optimality gap (lower is better)"),
    *("average rank", "P(best rank beats it)", "runs"),
)


def _said(estimate: Estimate) -> str:
    if estimate.low is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def why_no_interval(scores: Scores) -> str:
    """Why aggregates have no interval, as half a sentence; empty where all have."""
    said = (aggregates(each).iqm.why_none for each in scores.values.values())
    return next(filter(None, said), "")


def profiles(cells: Sequence[Cell], scores: Scores, names: Mapping[str, str]) -> Iterator[Exhibit]:
    """Give the performance profile: the share of runs above each normalised score."""
    if not scores.values:
        return
    said = said_of(cells, names)
    plane = Plane(58, 342, 24, 232, (0.0, 1.0), (0.0, 1.0))
    parts, columns = [plane.axes("normalised score", "share of runs above it")], []
    for place, (label, samples) in enumerate(scores.values.items()):
        name, kind, look = said[label]
        found = performance_profile(samples, TAUS)
        x = TAUS.tolist()
        inner = ""
        if found.low is not None and found.high is not None:
            points = area(plane, x, found.low.tolist(), found.high.tolist())
            inner = tag("polygon", points=points, class_="interval")
        inner += line(plane.points(x, found.share.tolist()), look, class_="mean")
        among = [each for each, *_ in said.values()]
        inner += text(fitted(name, 110, among), 348, 34 + 14 * place, class_="name")
        group = {"class_": f"label {kind}", "data_label": label, "data_name": name}
        parts.append(tag("g", inner, **group))
        columns.append([f"{share:.3f}" for share in found.share[::4]])
    rows = [[f"{tau:.1f}", *each] for tau, *each in zip(TAUS[::4].tolist(), *columns, strict=True)]
    head = ["score", *(said[label][0] for label in scores.values)]
    summary = f"Share of runs above each normalised score, {len(scores.tasks)} tasks."
    panel = Panel("Performance profile", summary, "".join(parts), (460, 270), head, rows)
    caption = (
        "The share of runs whose normalised score (0 the worst declared, 1 the best) is above a "
        "threshold; tasks weigh alike. Higher is better everywhere."
    )
    yield Exhibit("profile", "Performance profile", caption, [panel])


def compared(cells: Sequence[Cell], names: Mapping[str, str]) -> Iterator[list[str]]:
    """Give a row per task and label: the best mean against it, p corrected by Holm in the task."""
    for (suite, task), row in by_task(cells):
        there = [cell for cell in row if cell.counted]
        if len(there) < 2 or mixed(row):
            continue
        sign = 1 if row[0].metric.higher_is_better else -1
        first = max(there, key=lambda cell: sign * float(cell.values().mean()))
        others = [cell for cell in there if cell is not first]
        tests = corrected([welch(first.values(), cell.values()) for cell in others])
        same = corrected([_paired(first, cell) for cell in others])
        for cell, test, pairs in zip(others, tests, same, strict=True):
            pair = f"{names[first.label]} - {names[cell.label]}"
            digits = cell.metric.digits
            yield [f"{suite}/{task}", pair, *_test(test, digits), *_test(pairs, digits)[1:]]


def _paired(x: Cell, y: Cell) -> Comparison:
    """The paired test, where all runs of both were scored on the same start states."""
    worth = [run.values[cell.metric.name] for cell in (x, y) for run in cell.counted]
    starts = {each.starts for each in worth}
    if len(starts) > 1 or not worth[0].starts or len({len(each.episodes) for each in worth}) > 1:
        difference = float(x.values().mean() - y.values().mean())
        why = "runs do not say that they share start states"
        return Comparison(difference, None, None, None, None, why)
    tables = (
        np.stack([run.values[cell.metric.name].episodes for run in cell.counted]) for cell in (x, y)
    )
    return paired(*tables)


def _test(test: Comparison, digits: int) -> list[str]:
    difference = f"{test.difference:+z.{digits}f}"
    if test.low is None or test.high is None or test.p is None:
        return [difference, "—", "—", f"no test: {test.silent}"]
    interval = f"[{test.low:+z.{digits}f}, {test.high:+z.{digits}f}]"
    p = "< 0.001" if test.p < 0.001 else f"{test.p:.3f}"
    return [difference, interval, p, "differ" if test.significant else "not told apart"]


def standing(cells: Sequence[Cell]) -> tuple[dict[str, int], dict[str, int], int]:
    """Count per label on how many tasks it is best alone and best with others; and all tasks."""
    alone: dict[str, int] = {}
    shared: dict[str, int] = {}
    tasks = 0
    for _, row in by_task(cells):
        tasks += 1
        found = () if mixed(row) else leaders(row)
        into = alone if len(found) == 1 else shared
        for label in found:
            into[label] = into.get(label, 0) + 1
    return alone, shared, tasks
