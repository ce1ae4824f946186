"""The report's runs as files for other tools: marl-eval's JSON, and tidy tables as Parquet.

marl-eval wants the same labels, seeds, points and metrics on all tasks of a suite (Gorsane et al.
2022, arXiv:2209.10485; the format is in the README of instadeepai/marl-eval@068d960). What is not
everywhere is left out, and said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

from marlbench.installation import pip_install
from marlbench.report.scores import Cell, Run
from marlbench.report.sections import Material, Part, ReportError, Section
from marlbench.store import RunRecord, tidy

__all__ = ["KINDS", "exported", "marl_eval"]

TENFOLD = 10
"""marl-eval's absolute metric is of so many times the episodes of a point, or one number."""


def exported(kinds: Iterable[str]) -> list[Section]:
    """Give a section for each kind of file; raises `ReportError` for an unknown one."""
    found = list(dict.fromkeys(kinds))
    for kind in found:
        if kind not in KINDS:
            raise ReportError(f"--export {kind}: it is one of {', '.join(KINDS)}")
    if "parquet" in found and find_spec("pyarrow") is None:
        raise ReportError(f"--export parquet needs pyarrow: {pip_install('parquet')}")
    return [Section(f"Export: {kind}", KINDS[kind]) for kind in found]


def _write_marl_eval(material: Material, out: Path) -> Part:
    document, left_out = marl_eval(material.cells)
    path = out / "marl-eval.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    said = f"`{path.name}` has the curves of all finished runs in marl-eval's format."
    return Part("\n".join([said, "", *(f"- {each}." for each in left_out)]), (path,))


def marl_eval(cells: Sequence[Cell]) -> tuple[dict[str, Any], list[str]]:
    """Give marl-eval's document, by suite, task, label, seed and point; and what is not in it.

    Names of suites and tasks are in lower case, as marl-eval looks for them. Scores are in the
    metric's own unit: a win is 1.
    """
    document: dict[str, Any] = {}
    left_out: list[str] = []
    for suite, group in groupby(cells, lambda cell: cell.suite):
        whole = [cell for cell in group if cell.counted]
        shared = _Shared.of(whole)
        left_out += [f"{suite}: {each}" for each in shared.left_out]
        tasks: dict[str, Any] = {}
        for cell in whole:
            if cell.label in shared.labels:
                rows = {f"seed_{run.seed}": shared.run(run) for run in shared.runs(cell)}
                tasks.setdefault(cell.task.lower(), {})[cell.label] = rows
        if tasks and shared.seeds and shared.steps:
            document[suite.lower()] = tasks
    return document, left_out


class _Shared:
    """What all tasks of a suite have in common."""

    labels: list[str]
    seeds: list[int]
    steps: list[int]
    metrics: list[str]
    left_out: list[str]

    @staticmethod
    def of(cells: Sequence[Cell]) -> _Shared:
        found, tasks = _Shared(), {cell.task for cell in cells}
        by_label: dict[str, set[str]] = {}
        for cell in cells:
            by_label.setdefault(cell.label, set()).add(cell.task)
        found.labels = [label for label, there in by_label.items() if there == tasks]
        runs = [run for cell in cells if cell.label in found.labels for run in cell.counted]
        kept = [cell for cell in cells if cell.label in found.labels]
        found.seeds = _common({run.seed for run in cell.counted} for cell in kept)
        rows = [run.record.evaluations() for run in runs]
        found.steps = _common({row["step"] for row in each} for each in rows)
        found.metrics = _common(set(row["metrics"]) for each in rows for row in each)
        found.left_out = [
            f"{label} is not on every task" for label in by_label if by_label[label] != tasks
        ]
        seeds = {run.seed for run in runs}
        points = {row["step"] for each in rows for row in each}
        if lacking := sorted(seeds - set(found.seeds)):
            found.left_out.append(f"seeds {', '.join(map(str, lacking))} are not in every cell")
        if lacking := sorted(points - set(found.steps)):
            found.left_out.append(f"{len(lacking)} points of the curves are not in every run")
        return found

    def runs(self, cell: Cell) -> Iterator[Run]:
        """The runs of a cell that every other cell has too."""
        return (run for run in cell.counted if run.seed in self.seeds)

    def run(self, run: Run) -> dict[str, Any]:
        """One run: its points, then the absolute metrics, which have to be the last."""
        record = run.record
        rows = [row for row in record.evaluations() if row["step"] in self.steps]
        points = {
            f"step_{k}": {"step_count": row["step"]} | self.scores(row)
            for k, row in enumerate(rows)
        }
        end = record.final_of_best() or record.final() or rows[-1]
        count = min(len(each) for each in self.scores(rows[-1]).values())
        absolute = {
            name: values if len(values) == TENFOLD * count else [sum(values) / len(values)]
            for name, values in self.scores(end).items()
        }
        return points | {"absolute_metrics": absolute}

    def scores(self, row: Mapping[str, Any]) -> dict[str, list[float]]:
        """Each episode's score by metric; its mean where a row has no episodes."""
        values = row.get("values") or {}
        found = {
            name: [each for each in values.get(name) or [] if each is not None]
            for name in self.metrics
        }
        return {name: each or [row["metrics"][name]] for name, each in found.items()}


def _common(sets: Iterable[set[Any]]) -> list[Any]:
    found = list(sets)
    return sorted(set.intersection(*found)) if found else []


def _write_parquet(material: Material, out: Path) -> Part:
    records = [run.record for cell in material.cells for run in cell.runs]
    paths = []
    for name, frame in TABLES.items():
        path = out / f"{name}.parquet"
        _plain(frame(records)).to_parquet(path, index=False)
        paths.append(path)
    files = ", ".join(f"`{path.name}`" for path in paths)
    columns = "their columns are those of `marlbench.load`"
    return Part(f"{files} have all runs of this report; {columns}.", tuple(paths))


def _plain(frame: Any) -> Any:
    """Give a frame whose columns of mixed kinds are JSON: Parquet has one kind a column."""
    mixed = [
        name
        for name in frame.columns
        if frame[name].dtype == object
        and len({type(each) for each in frame[name].dropna()} - {type(None)}) > 1
    ]
    nested = [
        name
        for name in frame.columns
        if frame[name].dtype == object
        and any(isinstance(each, dict | list | tuple) for each in frame[name])
    ]
    spelt = dict.fromkeys([*mixed, *nested])
    return frame.assign(**{name: frame[name].map(json.dumps) for name in spelt})


TABLES: dict[str, Callable[[list[RunRecord]], Any]] = {
    "runs": tidy.settings,
    "evaluations": tidy.evaluations,
    "episodes": tidy.episodes,
    "training": tidy.training,
}
KINDS: dict[str, Callable[[Material, Path], Part]] = {
    "marl-eval": _write_marl_eval,
    "parquet": _write_parquet,
}
