"""The table of results, as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from marlbench.report.caveats import by_task, meanings, missing, mixed
from marlbench.report.latex import latex
from marlbench.report.scores import AVERAGED, CRASHED, DDOF, Cell, Run, labels_of
from marlbench.report.sections import Material, Part

WIDTH = 6
"""Labels side by side before the table goes on below."""
LEGEND = (
    f"Cells: mean (standard deviation) over seeds, then finished/all seeds. A run's value is the "
    f"mean of its last {AVERAGED} evaluations; the divisor of the standard deviation is n - "
    f"{DDOF}, so one seed has none (—). Only finished runs count, and none of whose evaluation "
    f"episodes more than {CRASHED:.0%} crashed. `win %` is the share of episodes won, `return` "
    "the mean episode return. In brackets after a label: what its agents "
    "act on."
)


def render(material: Material, out: Path) -> Part:
    """Write `table.md`, `table.tex`, `table.csv` and `runs.csv`; give the first as text."""
    text = "\n".join([*blocks(material.cells), LEGEND, "", *notes(material.cells)])
    paths = tuple(out / name for name in ("table.md", "table.tex", "table.csv", "runs.csv"))
    paths[0].write_text(text, encoding="utf-8")
    paths[1].write_text(latex(material.cells, WIDTH), encoding="utf-8")
    write_csv(paths[2], map(cell_row, material.cells))
    write_csv(paths[3], (row for cell in material.cells for row in run_rows(cell)))
    return Part(text, paths)


def blocks(cells: Sequence[Cell]) -> Iterator[str]:
    """Markdown tables of at most `WIDTH` labels each, a row per task."""
    heads = headings(cells)
    labels = list(heads)
    for start in range(0, len(labels), WIDTH):
        shown = labels[start : start + WIDTH]
        yield line("task", "metric", *(heads[label] for label in shown))
        yield line("---", "---", *("---:" for _ in shown))
        for (suite, task), row in by_task(cells):
            texts = {cell.label: cell_text(cell) for cell in row}
            mark = " †" if mixed(row) else ""
            yield line(
                f"{escape(f'{suite}/{task}')}{mark}",
                unit(row[0]),
                *(texts.get(x, "") for x in shown),
            )
        yield ""


def headings(cells: Sequence[Cell]) -> dict[str, str]:
    """Each label, in order, with what its agents act on."""
    said = {cell.label: f" ({cell.execution})" for cell in cells if cell.execution}
    return {label: escape(label) + said.get(label, "") for label in labels_of(cells)}


def unit(cell: Cell) -> str:
    """What the numbers of a cell are."""
    return cell.metric.heading


def cell_text(cell: Cell) -> str:
    """Mean (std) and seeds: `81.2 (3.4) 5/5`."""
    mean, std = cell.summary()
    seeds = f"{len(cell.counted)}/{len(cell.runs)}"
    return (
        f"{number(mean, cell)} ({number(std, cell)}) {seeds}" if mean is not None else f"— {seeds}"
    )


def number(value: float | None, cell: Cell) -> str:
    """A number as the table prints it: percent with one digit, returns with two."""
    return "—" if value is None else f"{value:z.{cell.metric.digits}f}"


def notes(cells: Sequence[Cell]) -> Iterator[str]:
    """The list under the table: what labels mean, what does not compare (†), which seeds miss."""
    yield from (f"- {escape(sentence)}." for sentence in meanings(cells))
    for (suite, task), row in by_task(cells):
        for difference in mixed(row):
            yield f"- † {escape(f'{suite}/{task}: {difference}')}. These numbers do not compare."
    for cell in cells:
        yield from (f"- {escape(sentence)}." for sentence in missing(cell))


def line(*fields: str) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(fields)} |"


def escape(text: str) -> str:
    r"""Text as Markdown shows it literally.

    >>> print(escape("a|b_c*"))
    a\|b\_c\*
    """
    return "".join(f"\\{letter}" if letter in "\\|*_`<>[]#$" else letter for letter in text)


def cell_row(cell: Cell) -> dict[str, Any]:
    """All numbers of a cell: one row of `table.csv`."""
    shown, last = cell.summary(), cell.last()
    metrics = cell.runs[0].record.metrics
    each = {
        f"{metric.name}_{s}": getattr(cell.summary(metric), s)
        for metric in metrics
        for s in ("mean", "std")
    }
    return {
        **where(cell),
        "execution": cell.execution,
        "metric": unit(cell),
        "mean": shown.mean,
        "std": shown.std,
        "last_mean": last.mean,
        "last_std": last.std,
        "ddof": DDOF,
        "evaluations_averaged": AVERAGED,
        "seeds_finished": len(cell.counted),
        "seeds": len(cell.runs),
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
        "metric": unit(cell),
        "value": curve.value,
        "last": curve.last,
        "evaluations": len(curve.steps),
        "reached": int(curve.steps[-1]) if len(curve.steps) else None,
        "steps": spec.steps,
        "evaluate_every": spec.evaluation.every,
        "evaluation_episodes": spec.evaluation.episodes,
        "evaluation_version": spec.evaluation.version,
        **{name: each.value for name, each in run.curves.items()},
    }


def where(cell: Cell) -> dict[str, Any]:
    """The columns that name a cell."""
    return {
        "suite": cell.suite,
        "task": cell.task,
        "label": cell.label,
        "algorithm": cell.algorithm,
    }


def write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows; a missing number, or one that a row has not, is an empty field."""
    table = list(rows)
    columns = dict.fromkeys(key for row in table for key in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(table)
