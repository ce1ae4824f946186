"""The numbers of a report: what a run is worth, and what the runs of one label come to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marlbench.appearance import Appearance, appearance_of
from marlbench.metrics import Metric
from marlbench.report.evaluations import EMPTY, Curve, Value, curve, value, worked
from marlbench.report.statistics import DDOF, Bounds, CellStatistics, cell_statistics, thresholds
from marlbench.store import RunRecord, each_run

MEASURED = {
    True: "the mean of the final evaluation: fresh episodes that no point of the curve has played",
    False: "the mean of the last evaluation, a point of the curve like any other",
}
"""In words what a run's value is, by whether the run has a final evaluation."""
CRASHED = 0.05
"""Share of evaluation episodes that may crash in a run that counts: a crash that goes with the
outcome biases its score by no more."""


@dataclass(frozen=True)
class Run:
    """A run and its evaluations."""

    record: RunRecord
    curves: dict[str, Curve]
    """By the metric's name."""
    values: dict[str, Value]
    """By the metric's name; a run without a scored last evaluation has none."""
    crashed: int
    """Episodes of its evaluations that crashed and are not scored."""
    cut: int
    """Crashes of the environment in training, each of which cut an episode or began one anew."""
    unscored: int
    """Evaluations of which no episode was scored, or the mean is no number."""
    evaluated: int
    """Up to which step of its evaluation grid it has rows, scored or not."""
    scored: int
    """Episodes of its evaluations that are scored."""
    remarks: tuple[str, ...]
    """What its numbers do not show: episodes that were cut, seeds that do not decide."""
    worked: tuple[tuple[float, float], ...] = ()
    """When its attempts worked, (begin, end) in seconds since 1970; empty where it is not known."""
    taken: bool = False
    """Whether it counts though it may not be finished, because the reader asked for it."""

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.record.spec.seed

    def curve(self, metric: Metric) -> Curve:
        """Give the curve of a metric, an empty one where the run has no such metric."""
        return self.curves.get(metric.name, EMPTY)

    def value(self, metric: Metric) -> float | None:
        """Give what the run is worth by a metric; None where it has no such value."""
        return self.values[metric.name].mean if metric.name in self.values else None

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
    """What the table shows: the task's first metric, unless another was asked for."""
    runs: tuple[Run, ...]
    """By seed."""

    @cached_property
    def counted(self) -> tuple[Run, ...]:
        """The finished runs with a value that few crashes bias, and those that were asked for."""
        ended = (run for run in self.runs if run.finished or run.taken)
        return tuple(run for run in ended if not run.biased and run.value(self.metric) is not None)

    @property
    def algorithm(self) -> str:
        """The algorithm's name in the catalogue."""
        return self.runs[0].record.spec.algorithm

    @property
    def execution(self) -> str:
        """What the algorithm's agents act on, as its runs recorded it; empty where none has."""
        return next((e for run in self.runs if (e := recorded(run.record, "execution"))), "")

    @property
    def agent_index(self) -> str:
        """Whether its agents know which of the team they are, as its runs recorded it, or empty."""
        return next((e for run in self.runs if (e := recorded(run.record, "agent_index"))), "")

    @cached_property
    def appearance(self) -> Appearance:
        """How the algorithm appears, as its runs recorded it; nothing where none has."""
        said = (recorded(run.record, "algorithm") or {} for run in self.runs)
        found: dict[str, Any] = next((a for each in said if (a := each.get("appearance"))), {})
        return appearance_of(found)

    @property
    def bounds(self) -> Bounds | None:
        """(lowest, highest) score as it is shown, from what the suite declares."""
        return shown_bounds(self.metric)

    @property
    def steps(self) -> int:
        """Env steps of its runs, the most of them."""
        return max(run.record.spec.run.steps for run in self.runs)

    def values(self, metric: Metric | None = None) -> NDArray[np.float64]:
        """Give what the counted runs are worth, (n,)."""
        worth = [run.value(metric or self.metric) for run in self.counted]
        return np.array([each for each in worth if each is not None], np.float64)

    def summary(self, metric: Metric | None = None) -> Summary:
        """Mean and std over seeds of the runs' values."""
        return mean_std(self.values(metric))

    @cached_property
    def statistics(self) -> CellStatistics:
        """What the counted runs come to, with half of the way to the best score as threshold."""
        episodes = [run.values[self.metric.name].episodes for run in self.counted]
        known = episodes if all(map(len, episodes)) else []
        half = thresholds(self.bounds)[1] if self.bounds else None
        return cell_statistics(self.values(), known, self.bounds, half)


def shown_bounds(metric: Metric) -> Bounds | None:
    """Give a metric's (lowest, highest) plausible score as it is shown; None where unknown.

    >>> from marlbench.metrics import win_rate
    >>> shown_bounds(win_rate())
    (0.0, 100.0)
    """
    if metric.bounds is None:
        return None
    low, high = sorted(metric.scale * bound for bound in metric.bounds)
    return (low, high) if low < high else None


def mean_std(values: Iterable[float]) -> Summary:
    """Mean and standard deviation (divisor n - 1).

    >>> mean_std([1.0, 3.0])
    Summary(mean=2.0, std=1.4142135623730951)
    >>> mean_std([4.0])
    Summary(mean=4.0, std=None)
    """
    there = np.array(list(values))
    if not len(there):
        return Summary(None, None)
    return Summary(float(there.mean()), float(there.std(ddof=DDOF)) if len(there) > DDOF else None)


def read_runs(*results: Path) -> list[Run]:
    """Give every run below these folders; a run that several of them hold is given once each."""
    return [read(record) for folder in results for record in each_run(folder)]


def cells(runs: Iterable[Run], metric: str = "") -> tuple[Cell, ...]:
    """Group runs into cells, ordered by suite and task, then as tables order labels; runs by seed.

    `metric`: what to show in place of a task's first metric, on tasks that have it.
    """
    ordered = sorted(runs, key=lambda run: (*map(natural, place(run.record)), run.seed))
    metrics = first_metrics((run.record for run in ordered), metric)
    found = [
        Cell(suite, task, label, metrics[suite, task], tuple(group))
        for (suite, task, label), group in groupby(ordered, lambda run: place(run.record))
    ]
    return tuple(sorted(found, key=lambda c: (natural(c.suite), natural(c.task), standing(c))))


def standing(cell: Cell) -> tuple[Any, ...]:
    """A sorting key: model-free labels, then model-based ones, each as algorithms declare."""
    kind = {False: 0, True: 1, None: 2}[cell.appearance.model_based]
    return kind, cell.appearance.position, natural(cell.algorithm), natural(cell.label)


def by_label(cells: Iterable[Cell]) -> dict[str, Cell]:
    """Every label once, in the order in which tables and figures show them, with a cell of it.

    Where its runs recorded different appearances, an older version's none, the cell is of the
    foremost.
    """
    found: dict[str, Cell] = {}
    for cell in sorted(cells, key=standing):
        found.setdefault(cell.label, cell)
    return found


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


def first_metrics(records: Iterable[RunRecord], wanted: str = "") -> dict[tuple[str, str], Metric]:
    """What each (suite, task) is scored by: the environment's first metric, as runs recorded it."""
    metrics: dict[tuple[str, str], Metric] = {}
    for record in records:
        task = record.spec.suite, record.spec.row
        known = recorded(record, "env") or task not in metrics
        chosen = next((each for each in record.metrics if each.name == wanted), record.metrics[0])
        metrics[task] = chosen if known else metrics[task]
    return metrics


def recorded(record: RunRecord, key: str) -> Any:
    """What a run's provenance says, None before it has begun."""
    return (record.provenance or {}).get(key)


def read(record: RunRecord) -> Run:
    """A run with its evaluations; of a row without a scored episode only the count is kept.

    The rows themselves are not kept, so that thousands of runs fit into memory.
    """
    points, final = record.evaluations(), record.final()
    last = final or (points[-1] if points else None)
    values = {metric.name: value(last, metric) for metric in record.metrics} if last else {}
    rows = [*points, *filter(None, [final])]
    main = record.metrics[0].name
    return Run(
        record=replace(record),  # without the rows that it has read
        curves={metric.name: curve(points, metric) for metric in record.metrics},
        values={name: each for name, each in values.items() if each is not None},
        crashed=sum(row.get("crashed", 0) for row in rows),
        cut=record.crashes()["training"],
        unscored=sum(row["metrics"].get(main) is None for row in rows),
        evaluated=points[-1]["step"] if points else 0,
        scored=sum(row.get("episodes", 0) for row in rows),
        remarks=tuple(record.remarks()),
        worked=worked([*record.events(), *rows]),
    )
