"""The table of results: rows grouped by suite, columns by kind of algorithm; Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from marlbench.report.caveats import by_task, meanings, missing, mixed
from marlbench.report.columns import MARKS, Column, columns
from marlbench.report.comparisons import best
from marlbench.report.efficiency import numbers as efficiency
from marlbench.report.scores import MEASURED, Cell, Run
from marlbench.report.sections import Material, Part
from marlbench.report.statistics import DDOF

WIDTH = 6
"""Labels side by side before a Markdown table goes on below."""


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
    seeds = f"n = {len(cells[0].runs)} seeds everywhere" if same else "then finished/all seeds"
    yield f"Mean (standard deviation, divisor n - {DDOF}) over seeds; {seeds}."
    yield f"A run's value is {said}; only finished runs count."
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
    if any(row.mixed for row in rows):
        yield "† runs of this row differ in settings: its numbers do not compare."


def render(material: Material, out: Path) -> Part:
    """Write `table.md`, `table.tex`, `table.csv` and `runs.csv`; give the first as text."""
    from marlbench.report.latex import latex

    table = results_table(material.cells, material.names)
    text = "\n".join([markdown(table), *listed(notes(material.cells))])
    paths = tuple(out / name for name in ("table.md", "table.tex", "table.csv", "runs.csv"))
    paths[0].write_text(text, encoding="utf-8")
    paths[1].write_text(latex(table, material.cells), encoding="utf-8")
    runs = csv_of(row for cell in material.cells for row in run_rows(cell))
    for path, content in zip(paths[2:], (csv_text(material.cells, table), runs), strict=True):
        path.write_text(content, encoding="utf-8", newline="")
    return Part(text, paths)


def markdown(table: Table) -> str:
    """Give the table and, under it, its legend."""
    lines: list[str] = []
    for start in range(0, len(table.columns), WIDTH):
        lines += [*_block(table, table.columns[start : start + WIDTH]), ""]
    return "\n".join([*lines, *table.legend, ""])


def _block(table: Table, shown: Sequence[Column]) -> Iterator[str]:
    heads, last = [], None
    for column in shown:  # a kind stands above its first column alone
        heads.append(column.kind if column.kind != last else "")
        last = column.kind
    yield line("benchmark", "task", *heads)
    yield line("---", "---", *("---:" for _ in shown))
    yield line("", "", *(f"**{escape(column.name)}**{column.mark}" for column in shown))
    for (suite, metric), rows in table.blocks():
        for number, row in enumerate(rows):
            head = f"{escape(suite)}, {metric}" if number == 0 else ""
            task = escape(row.task) + (" †" if row.mixed else "")
            yield line(head, task, *(entry_text(row.entries.get(c.label)) for c in shown))


def entry_text(entry: Entry | None) -> str:
    """One cell as Markdown."""
    if entry is None:
        return ""
    return " ".join(
        filter(None, [f"**{entry.number}**" if entry.best else entry.number, entry.seeds])
    )


def notes(cells: Sequence[Cell]) -> Iterator[str]:
    """Sentences on what labels mean, what does not compare (†) and which seeds are missing."""
    yield from (f"{sentence}." for sentence in meanings(cells))
    for (suite, task), row in by_task(cells):
        for difference in mixed(row):
            yield f"† {suite}/{task}: {difference}. These numbers do not compare."
    for cell in cells:
        yield from (f"{sentence}." for sentence in missing(cell))


def listed(sentences: Iterable[str]) -> Iterator[str]:
    """Sentences as a Markdown list, literally."""
    yield from (f"- {escape(sentence)}" for sentence in sentences)


def line(*fields: str) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(fields)} |"


def escape(text: str) -> str:
    r"""Text as Markdown shows it literally.

    >>> print(escape("a|b_c*"))
    a\|b\_c\*
    """
    return "".join(f"\\{letter}" if letter in "\\|*_`<>[]#$" else letter for letter in text)


def cell_row(cell: Cell, table: Table) -> dict[str, Any]:
    """All numbers of a cell: one row of `table.csv`."""
    found = cell.statistics
    row = next(r for r in table.rows if (r.suite, r.task) == (cell.suite, cell.task))
    column = next(c for c in table.columns if c.label == cell.label)
    each = {
        f"{metric.name}_{s}": getattr(cell.summary(metric), s)
        for metric in cell.runs[0].record.metrics
        for s in ("mean", "std")
    }
    return {
        **where(cell),
        "name": column.name,
        "kind": column.kind,
        "execution": cell.execution,
        "metric": cell.metric.heading,
        "value": " or ".join(measured([cell])),
        "mean": found.mean,
        "std": found.sd,
        "ddof": DDOF,
        "low": found.low,
        "high": found.high,
        "interval": found.kind,
        "episodes": found.episodes,
        "best": row.entries[cell.label].best,
        "seeds_finished": len(cell.counted),
        "seeds": len(cell.runs),
        **efficiency(cell),
        **each,
    }


def run_rows(cell: Cell) -> Iterator[dict[str, Any]]:
    """A row of `runs.csv` per run, counted or not."""
    for run in cell.runs:
        yield where(cell) | {"seed": run.seed, "status": run.record.status} | run_numbers(run, cell)


def run_numbers(run: Run, cell: Cell) -> dict[str, Any]:
    """What one run has measured so far."""
    spec, curve = run.record.spec.run, run.curve(cell.metric)
    return {
        "counted": run in cell.counted,
        "metric": cell.metric.heading,
        "value": run.value(cell.metric),
        "evaluations": len(curve.steps),
        "unscored": run.unscored,
        "reached": int(curve.steps[-1]) if len(curve.steps) else None,
        "steps": spec.steps,
        "evaluate_every": spec.evaluation.every,
        "evaluation_episodes": spec.evaluation.episodes,
        "evaluation_version": spec.evaluation.version,
        **{name: each.mean for name, each in run.values.items()},
    }


def where(cell: Cell) -> dict[str, Any]:
    """The columns that name a cell."""
    return {
        "suite": cell.suite,
        "task": cell.task,
        "label": cell.label,
        "algorithm": cell.algorithm,
    }


def csv_text(cells: Sequence[Cell], table: Table) -> str:
    """Give `table.csv`."""
    return csv_of(cell_row(cell, table) for cell in cells)


def csv_of(rows: Iterable[dict[str, Any]]) -> str:
    """Give rows as CSV; a missing number, or one that a row has not, is an empty field."""
    table = list(rows)
    names = dict.fromkeys(key for row in table for key in row)
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(names))
    writer.writeheader()
    writer.writerows(table)
    return file.getvalue()
