"""What the means over seeds are at every evaluation, for the page of published results.

`python docs/programs/means_by_step.py docs/results/skirmish-5v6`: a table for each task of a folder
of results. Points of the curve are greedy, the last two columns are of the final evaluation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from marlbench.report.caveats import by_task
from marlbench.report.columns import columns, short
from marlbench.report.scores import Cell, cells, read_runs
from marlbench.report.tables import line


def main() -> None:
    """Print the tables of each folder."""
    for folder in sys.argv[1:]:
        for title, table in tables(Path(folder)):
            print(f"{title}\n\n{table}\n")


def tables(folder: Path) -> Iterator[tuple[str, str]]:
    """Give the title and the Markdown table of each task."""
    for (suite, task), there in by_task(cells(read_runs(folder))):
        names = {column.label: column.name for column in columns(there)}
        steps = sorted({step for cell in there for step in points(cell)} - {0})
        heads = ["", "seeds", *map(short, steps), "final", "sampled"]
        rows = [[names[cell.label], *row(cell, steps)] for cell in there]
        ruler = ["---", *["---:"] * (len(heads) - 1)]
        table = "\n".join(line(*fields) for fields in [heads, ruler, *rows])
        yield f"{suite}/{task}, {there[0].metric.heading}", table


def points(cell: Cell) -> set[int]:
    """The env steps at which a cell's runs were evaluated."""
    return {int(step) for run in cell.counted for step in run.curve(cell.metric).steps}


def row(cell: Cell, steps: list[int]) -> Iterator[str]:
    """The number of seeds, the mean at each of these steps, the final and the final sampled one."""
    number = f"z.{cell.metric.digits}f"
    curves = [run.curve(cell.metric) for run in cell.counted]
    sampled = [run.values[cell.metric.name].sampled for run in cell.counted]
    yield str(len(curves))
    for step in steps:
        there = [float(curve.values[curve.steps == step].item()) for curve in curves]
        yield format(np.mean(there), number)
    yield format(np.mean(cell.values()), number)
    known = [each for each in sampled if each is not None]
    yield format(np.mean(known), number) if known else ""


if __name__ == "__main__":
    main()
