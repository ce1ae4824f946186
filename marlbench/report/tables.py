"""Writes the table of results, as Markdown, LaTeX and CSV, and a row per run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from marlbench.report.columns import Column
from marlbench.report.efficiency import numbers as efficiency
from marlbench.report.latex import latex
from marlbench.report.results_table import Entry, Table, measured, notes, results_table
from marlbench.report.scores import Cell, Run, Summary, mean_std
from marlbench.report.sections import Material, Part
from marlbench.report.statistics import DDOF

WIDTH = 6
"""Labels side by side before a Markdown table goes on below."""


def render(material: Material, out: Path) -> Part:
    """Write `table.md`, `table.tex`, `table.csv` and `runs.csv`; give the first as text."""
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
        "sampled_mean": sampled(cell).mean,
        "sampled_std": sampled(cell).std,
        "best": row.entries[cell.label].best,
        "seeds_finished": len(cell.counted),
        "seeds": len(cell.runs),
        **efficiency(cell),
        **each,
    }


def sampled(cell: Cell) -> Summary:
    """Over counted runs: what policies come to that sample their actions, where rows say it."""
    found = (run.values[cell.metric.name].sampled for run in cell.counted)
    return mean_std(value for value in found if value is not None)


def run_rows(cell: Cell) -> Iterator[dict[str, Any]]:
    """A row of `runs.csv` per run, counted or not."""
    for run in cell.runs:
        yield where(cell) | {"seed": run.seed, "status": run.record.status} | run_numbers(run, cell)


def run_numbers(run: Run, cell: Cell) -> dict[str, Any]:
    """What one run has measured so far."""
    spec, curve = run.record.spec.run, run.curve(cell.metric)
    worth = run.values.get(cell.metric.name)
    return {
        "counted": run in cell.counted,
        "metric": cell.metric.heading,
        "value": run.value(cell.metric),
        "sampled": worth.sampled if worth else None,
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
