"""The table of results before it is written in any language: rows by suite, columns by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from marlbench.report.caveats import by_task, meanings, missing, mixed
from marlbench.report.columns import MARKS, Column, columns
from marlbench.report.comparisons import best
from marlbench.report.scores import CRASHED, MEASURED, Cell
from marlbench.report.statistics import DDOF

__all__ = [
    "Entry",
    "Row",
    "Table",
    "leaders",
    "measured",
    "notes",
    "number_of",
    "results_table",
    "seeds_of",
]


@dataclass(frozen=True)
class Entry:
    """What one cell of the table says."""

    number: str
    """`81.2 (3.4)`, `100.0 (≥ 99.1)`, or a dash."""
    seeds: str
    """`4/5, 1 diverged`; empty where the number of seeds is the same everywhere."""
    best: bool
    """Whether no test tells it from the highest mean of its row."""


@dataclass(frozen=True)
class Row:
    """One task."""

    suite: str
    task: str
    metric: str
    """Heading of the metric."""
    mixed: bool
    """Whether its runs do not compare."""
    entries: dict[str, Entry]
    """By label; one without runs here is not in it."""


@dataclass(frozen=True)
class Table:
    """The table of results, before it is written in any language."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    legend: tuple[str, ...]
    """Sentences under it."""

    def blocks(self) -> Iterator[tuple[tuple[str, str], list[Row]]]:
        """Rows by (suite, metric), in order."""
        for key, rows in groupby(self.rows, lambda row: (row.suite, row.metric)):
            yield key, list(rows)


def results_table(cells: Sequence[Cell], names: Mapping[str, str] | None = None) -> Table:
    """Give the table of these cells; `names` says what users call some labels."""
    counts = {(len(cell.counted), len(cell.runs)) for cell in cells}
    same = len(counts) == 1 and len(set(*counts)) == 1
    shown = columns(cells, names)
    rows = tuple(_row(suite, task, row, same) for (suite, task), row in by_task(cells))
    return Table(shown, rows, tuple(_legend(cells, shown, rows, same)))


def _row(suite: str, task: str, cells: Sequence[Cell], same: bool) -> Row:
    clash = bool(mixed(cells))
    leading = () if clash else leaders(cells)
    entries = {
        cell.label: Entry(number_of(cell), "" if same else seeds_of(cell), cell.label in leading)
        for cell in cells
    }
    return Row(suite, task, cells[0].metric.heading, clash, entries)


def leaders(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Labels of a row that no test tells from the best mean; none where no mark is honest."""
    sign = 1 if cells[0].metric.higher_is_better else -1
    return best({cell.label: sign * cell.values() for cell in cells})


def number_of(cell: Cell) -> str:
    """Mean (standard deviation): `81.2 (3.4)`; the episodes' bound where all got the same."""
    mean = cell.statistics.mean
    if mean is None:
        return "—"
    digits = cell.metric.digits
    return f"{mean:z.{digits}f} ({cell.statistics.spread(digits)})"


def seeds_of(cell: Cell) -> str:
    """Finished of all seeds, and what became of others: `4/5, 1 diverged`."""
    ended = Counter(run.record.status for run in cell.runs if run not in cell.counted)
    lost = [f"{ended[status]} {status}" for status in ("diverged", "failed") if ended[status]]
    return ", ".join([f"{len(cell.counted)}/{len(cell.runs)}", *lost])


def measured(cells: Iterable[Cell]) -> list[str]:
    """In words what the counted runs' values are: one kind, or both."""
    kinds = {run.values[cell.metric.name].final for cell in cells for run in cell.counted}
    return [MEASURED[kind] for kind in sorted(kinds, reverse=True)]


def _legend(
    cells: Sequence[Cell], shown: Sequence[Column], rows: Sequence[Row], same: bool
) -> Iterator[str]:
    said = " or ".join(measured(cells)) or MEASURED[False]
    seeds = f"n = {len(cells[0].runs)} everywhere" if same else "then finished/all seeds"
    yield f"Mean (standard deviation, divisor n - {DDOF}) over seeds; {seeds}."
    yield (
        f"A run's value is {said}; its actions are the likeliest ones. Only finished runs count, "
        f"and none of whose evaluation episodes more than {CRASHED:.0%} crashed."
    )
    if any(run.values[c.metric.name].sampled is not None for c in cells for run in c.counted):
        yield "What stochastic policies come to that sample their actions is in table.csv."
    if any("≥" in e.number or "≤" in e.number for row in rows for e in row.entries.values()):
        yield (
            "In place of a deviation of 0, ≥ and ≤ give the bound that the number of episodes "
            "allows: all of them got the best, or the worst, score."
        )
    if any(entry.best for row in rows for entry in row.entries.values()):
        yield (
            "Bold: the best mean and all that Welch's test, corrected by Holm within the row, does "
            "not tell from it at 0.05."
        )
    for execution, mark in MARKS.items():
        if any(column.mark == mark for column in shown):
            act = "messages of others too" if execution == "communicating" else "everything"
            yield f"{mark} {execution}: an agent's action depends on {act}."
    yield from _who_knows_its_index(cells, shown)
    if any(row.mixed for row in rows):
        yield "† runs of this row differ in settings: its numbers do not compare."


KNOWING = {
    "told": "told",
    "implied": "told by the order in which they act",
    "hidden": "not told",
}
"""In words what `provenance.json` says under `agent_index`."""


def _who_knows_its_index(cells: Sequence[Cell], shown: Sequence[Column]) -> Iterator[str]:
    """Which labels' agents know which of the team they are, for each setting that a row has."""
    settings = list(dict.fromkeys(map(_setting, cells)))
    for setting in settings:
        known = {c.label: c.agent_index for c in cells if _setting(c) == setting and c.agent_index}
        said = [
            f"{words}: {', '.join(column.name for column in having)}"
            for how, words in KNOWING.items()
            if (having := [column for column in shown if known.get(column.label) == how])
        ]
        if said:
            place = "" if len(settings) == 1 else f" Where run.agent_index is {setting}:"
            yield f"Are agents told which of the team they are?{place} {'; '.join(said)}."


def _setting(cell: Cell) -> str:
    return cell.runs[0].record.spec.run.agent_index


def notes(cells: Sequence[Cell]) -> Iterator[str]:
    """Sentences on what labels mean, what does not compare (†) and which seeds are missing."""
    yield from (f"{sentence}." for sentence in meanings(cells))
    for (suite, task), row in by_task(cells):
        for difference in mixed(row):
            yield f"† {suite}/{task}: {difference}. These numbers do not compare."
    for cell in cells:
        yield from (f"{sentence}." for sentence in missing(cell))
