"""The numbers of a report: what a run is worth, and what the runs of one label come to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marlbench.metrics import Metric
from marlbench.store import RunRecord

AVERAGED = 5
"""A run's value is the mean of its last so many evaluations (one alone is noisy)."""
CRASHED = 0.05
"""Share of evaluation episodes that may crash in a run that counts: a crash that goes with the
outcome biases its score by no more."""
DDOF = 1
"""Divisor n - 1 of standard deviations: seeds are a sample."""


class Curve(NamedTuple):
    """One metric of one run, as it is shown: shares in percent."""

    steps: NDArray[np.int64]
    """(T,) grid points, in env steps."""
    values: NDArray[np.float64]
    """(T,)"""

    @property
    def value(self) -> float | None:
        """Mean of the last `AVERAGED` evaluations."""
        return float(self.values[-AVERAGED:].mean()) if len(self.values) else None

    @property
    def last(self) -> float | None:
        """The last evaluation alone."""
        return float(self.values[-1]) if len(self.values) else None


EMPTY = Curve(np.array([], np.int64), np.array([], np.float64))


@dataclass(frozen=True)
class Run:
    """A run and its evaluations."""

    record: RunRecord
    curves: dict[str, Curve]
    """By the metric's name."""
    crashed: int
    """Episodes of its evaluations that crashed and are not scored."""
    cut: int
    """Crashes of the environment in training, each of which cut an episode or began one anew."""
    evaluated: int
    """Up to which step of its evaluation grid it has rows, scored or not."""
    scored: int
    """Episodes of its evaluations that are scored."""

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.record.spec.seed

    def curve(self, metric: Metric) -> Curve:
        """Give the curve of a metric, an empty one where the run has no such metric."""
        return self.curves.get(metric.name, EMPTY)

    @property
    def finished(self) -> bool:
        """Whether the run came to its end and all of its rows are here: only then it counts."""
        return self.record.status == "done" and self.evaluated == self.record.spec.run.steps

    @property
    def biased(self) -> bool:
        """Whether so many evaluation episodes crashed that the others may not stand for them."""
        return self.crashed > CRASHED * (self.crashed + self.scored)


class Summary(NamedTuple):
    """Over seeds: mean and standard deviation, None where there are too few."""

    mean: float | None
    std: float | None


@dataclass(frozen=True)
class Cell:
    """All runs of one label on one task."""

    suite: str
    task: str
    label: str
    metric: Metric
    """The task's first metric: the one that the table shows."""
    runs: tuple[Run, ...]
    """By seed."""

    @cached_property
    def counted(self) -> tuple[Run, ...]:
        """The finished runs that few crashes bias, which alone enter the table."""
        finished = (r for r in self.runs if r.finished and len(r.curve(self.metric).steps))
        return tuple(run for run in finished if not run.biased)

    @property
    def algorithm(self) -> str:
        """The algorithm's name in the catalogue."""
        return self.runs[0].record.spec.algorithm

    @property
    def execution(self) -> str:
        """What the algorithm's agents act on, as its runs recorded it; empty where none has."""
        return next((e for run in self.runs if (e := recorded(run.record, "execution"))), "")

    def summary(self, metric: Metric | None = None) -> Summary:
        """Mean and std over seeds of the runs' values."""
        return mean_std(run.curve(metric or self.metric).value for run in self.counted)

    def last(self) -> Summary:
        """Mean and std over seeds of the last evaluation alone."""
        return mean_std(run.curve(self.metric).last for run in self.counted)


def mean_std(values: Iterable[float | None]) -> Summary:
    """Mean and standard deviation (divisor n - 1) of the values that are there.

    >>> mean_std([1.0, 3.0, None])
    Summary(mean=2.0, std=1.4142135623730951)
    >>> mean_std([4.0])
    Summary(mean=4.0, std=None)
    """
    there = np.array([value for value in values if value is not None])
    if not len(there):
        return Summary(None, None)
    return Summary(float(there.mean()), float(there.std(ddof=DDOF)) if len(there) > DDOF else None)


def cells(records: Iterable[RunRecord]) -> tuple[Cell, ...]:
    """Group runs into cells, ordered by suite, task, label; runs by seed."""
    ordered = sorted(records, key=lambda r: (*map(natural, place(r)), r.spec.seed))
    metrics = first_metrics(ordered)
    return tuple(
        Cell(suite, task, label, metrics[suite, task], tuple(map(read, group)))
        for (suite, task, label), group in groupby(ordered, place)
    )


def labels_of(cells: Iterable[Cell]) -> list[str]:
    """Every label once, in the order in which tables and figures show them."""
    return sorted({cell.label for cell in cells}, key=natural)


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A sorting key by which `5_vs_5` stands before `10_vs_11`.

    >>> sorted(["10_vs_11", "5_vs_5"], key=natural)
    ['5_vs_5', '10_vs_11']
    """
    parts = re.split(r"(\d+)", name)  # text and digits take turns
    key = ((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
    return (*key, (-1, name))  # no two names are equal: `m01` is not `m1`


def place(record: RunRecord) -> tuple[str, str, str]:
    """Suite, task and label of a run."""
    return record.spec.suite, record.spec.row, record.spec.label


def first_metrics(records: Iterable[RunRecord]) -> dict[tuple[str, str], Metric]:
    """What each (suite, task) is scored by: the environment's first metric, as runs recorded it."""
    metrics: dict[tuple[str, str], Metric] = {}
    for record in records:
        task = record.spec.suite, record.spec.row
        known = recorded(record, "env") or task not in metrics
        metrics[task] = record.metrics[0] if known else metrics[task]
    return metrics


def recorded(record: RunRecord, key: str) -> Any:
    """What a run's provenance says, None before it has begun."""
    return (record.provenance or {}).get(key)


def read(record: RunRecord) -> Run:
    """A run with its evaluations; those without a scored episode are left out."""
    rows = record.evaluations()
    curves = {metric.name: curve(rows, metric) for metric in record.metrics}
    crashed = sum(row.get("crashed", 0) for row in rows)
    evaluated = rows[-1]["step"] if rows else 0
    scored = sum(row.get("episodes", 0) for row in rows)
    return Run(record, curves, crashed, record.crashes()["training"], evaluated, scored)


def curve(rows: Iterable[dict[str, Any]], metric: Metric) -> Curve:
    """One metric of evaluation rows, as it is shown."""
    means = [(row["step"], row["metrics"].get(metric.name)) for row in rows]
    scored = [(step, metric.scale * mean) for step, mean in means if mean is not None]
    steps, values = zip(*scored, strict=True) if scored else ((), ())
    return Curve(np.array(steps, np.int64), np.array(values, np.float64))
