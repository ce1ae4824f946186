"""Published numbers beside ours: whether they agree, or why nothing can be compared, in words."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from marlbench.report.comparisons import (
    ALPHA,
    Comparison,
    Summary,
    corrected,
    summary,
    welch_of_summaries,
)
from marlbench.report.published import GROUPS, Published, Source, published, sources
from marlbench.report.scores import Cell, recorded
from marlbench.report.sections import Material, Part, ReportError, Section

__all__ = ["Beside", "against", "beside"]

AS_PUBLISHED = ("default", "preset paper")
"""Where the settings of a run come from that has those of the papers."""
LEGEND = (
    "Published: the score and, in brackets, its spread. Ours: mean (standard deviation, divisor "
    "n - 1) and the number of finished seeds. Differences are ours minus theirs, their 95 % "
    f"intervals Welch's; p is corrected by Holm over all tests here, and below {ALPHA} two "
    "numbers differ. That two agree says that seeds explain the difference, not that it is none: "
    "read the interval."
)


@dataclass(frozen=True)
class Beside:
    """A published number and one of our labels on its task."""

    number: Published
    cell: Cell | None
    """None where nothing here was run with that algorithm."""
    ours: Summary | None
    """None where no seed is finished."""
    why_not: str
    """Why the two do not compare; empty where they do."""
    comparison: Comparison | None
    """None where they do not compare; silent where no test can speak."""

    @property
    def verdict(self) -> str:
        """Whether they agree, or why nothing can be said."""
        if self.comparison is None:
            return f"not comparable: {self.why_not}"
        test, digits = self.comparison, self.number.digits
        by = f"{test.difference:+z.{digits}f}"
        if test.p is None or test.low is None or test.high is None:
            return f"no test ({test.silent}): {by}"
        found = f"{by} [{test.low:+z.{digits}f}, {test.high:+z.{digits}f}], {p_text(test.p)}"
        if not test.significant:
            return f"agrees within what seeds explain: {found}"
        return f"ours is {'higher' if test.difference > 0 else 'lower'}: {found}"


def p_text(p: float) -> str:
    """A p value with the digits that mean something.

    >>> p_text(0.0234), p_text(1e-7)
    ('p = 0.023', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def against(groups: Iterable[str]) -> tuple[Section, ...]:
    """A section of the report for each of `GROUPS`; raises ReportError for another name."""
    named = list(dict.fromkeys(groups))
    for name in named:
        if name not in GROUPS:
            raise ReportError(f"nothing is published as {name!r}: --against {' or '.join(GROUPS)}")
    return tuple(_section(name) for name in named)


def _section(group: str) -> Section:
    heading = "Against the paper" if group == "paper" else "Against other published numbers"
    return Section(heading, lambda material, out: render(group, material, out))


def render(group: str, material: Material, out: Path) -> Part:
    """Write `against-<group>.csv`, give a table per source."""
    chosen = sources(group)
    rows = beside(material.cells, chosen)
    path = out / f"against-{group}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(map(csv_row, rows))
    shown = [source for source in chosen if any(row.number.source == source for row in rows)]
    texts = [text for source in shown for text in source_text(source, rows, material.cells)]
    texts += [LEGEND, ""] if rows else []
    texts += [f"- {other_tasks(source)}" for source in chosen if source not in shown]
    return Part("\n".join(texts), (path,))


def beside(cells: Sequence[Cell], chosen: Iterable[Source]) -> list[Beside]:
    """Every published number on a task that was run here, beside our labels of its algorithm.

    In the order of the sources; p values are corrected by Holm over all of them.
    """
    numbers = [number for source in chosen for number in published(source)]
    rows = [row for number in numbers for row in _rows(number, cells)]
    tests = iter(corrected([row.comparison for row in rows if row.comparison]))
    return [replace(row, comparison=next(tests)) if row.comparison else row for row in rows]


def _rows(number: Published, cells: Sequence[Cell]) -> Iterator[Beside]:
    there = [cell for cell in cells if place(cell) == number.task.ours]
    own = [cell for cell in there if cell.algorithm == number.ours]
    if there and not own:
        why = "it was not run here" if number.ours else "there is no such algorithm here"
        yield Beside(number, None, None, why, None)
    for cell in own:
        worth = [run.values.get(number.task.metric) for run in cell.counted]
        values = np.array([each.mean if each else None for each in worth])
        ours = summary(values) if len(values) and None not in values.tolist() else None
        why = "; ".join(reasons(number, cell, ours))
        yield Beside(number, cell, ours, why, None if why or not ours else compared(number, ours))


def place(cell: Cell) -> str:
    """`suite/task`, as data files name it."""
    return f"{cell.suite}/{cell.task}"


def reasons(number: Published, cell: Cell, ours: Summary | None) -> Iterator[str]:
    """Why our number and a published one do not measure the same, as half sentences."""
    if not number.task.comparable:
        yield number.task.why
    if not cell.counted:
        yield "no seed is finished"
    elif ours is None:
        yield f"its runs have no {number.task.metric}"
    steps = sorted({run.record.spec.run.steps for run in cell.runs})
    if steps != [number.steps]:
        yield f"ours ran {' and '.join(f'{n:,}' for n in steps)} env steps, theirs {number.steps:,}"
    if changed := other_settings(cell):
        yield f"settings that are not the paper's ({changed})"
    simulators = {str((recorded(run.record, "env") or {}).get("simulator")) for run in cell.runs}
    played = number.source.simulator
    if any(played not in simulator for simulator in simulators):
        yield f"theirs is {played}, ours {' and '.join(sorted(simulators))}"


def other_settings(cell: Cell) -> str:
    """Where settings of algorithm and suite come from that are not as published; else empty.

    A preset is named by its name and the number of its settings, what users set by its keys.
    """
    changed: dict[str, set[str]] = {}
    for run in cell.runs:
        for key, origin in run.record.spec.origins.items():
            if not key.startswith("run.") and origin not in AS_PUBLISHED:
                changed.setdefault(origin, set()).add(key)
    said = [
        f"{len(keys)} of {origin}" if origin.startswith("preset ") else ", ".join(sorted(keys))
        for origin, keys in sorted(changed.items())
    ]
    return ", ".join(said)


def compared(number: Published, ours: Summary) -> Comparison:
    """Welch's test of ours against a published summary; silent where that one lacks something."""
    source, difference = number.source, ours.mean - number.score
    lacking = {
        f"their score is a {source.statistic}, not a mean": source.statistic != "mean",
        "how many seeds theirs are is not said": source.seeds is None,
        "what their spread is, is not said": source.spread not in ("sd", "ci95"),
    }
    why = "; ".join(why for why, lacks in lacking.items() if lacks)
    if why or source.seeds is None or number.spread is None:
        return Comparison(difference, None, None, None, None, why or "theirs has no spread")
    sd = number.spread
    if source.spread == "ci95":  # half of Student's interval of the mean
        sd *= source.seeds**0.5 / float(stats.t.ppf(0.975, source.seeds - 1))
    return welch_of_summaries(ours, Summary(number.score, sd, source.seeds))


def source_text(source: Source, rows: Sequence[Beside], cells: Sequence[Cell]) -> Iterator[str]:
    """A source as Markdown: what it is, its table, and what of it was not run here."""
    seeds = f"{source.seeds} seeds" if source.seeds else "seeds not said"
    spread = {"sd": "standard deviation", "ci95": "95 % interval", "unknown": "not said"}
    said = [
        f"read {source.read}",
        f"over seeds: {source.statistic} (in brackets: {spread.get(source.spread, 'nothing')})",
        seeds,
        *source.notes,
    ]
    yield f"### {source.name}\n\n{source.source}; {'; '.join(said)}.\n"
    yield "| task | algorithm | label | published | ours | |\n|---|---|---|---:|---:|---|"
    yield from (markdown_row(row) for row in rows if row.number.source == source)
    here = {place(cell) for cell in cells}
    if missing := [task for task in tasks_of(source) if task not in here]:
        yield f"\nNot run here: {', '.join(missing)}."
    yield ""


def markdown_row(row: Beside) -> str:
    """One line of a source's table."""
    number, digits = row.number, row.number.digits
    ours = "—"
    if row.ours:
        sd = f"{row.ours.sd:.{digits}f}" if row.ours.n > 1 else "—"
        ours = f"{row.ours.mean:z.{digits}f} ({sd}) n = {row.ours.n}"
    label = f"`{row.cell.label}`" if row.cell else "—"
    task = f"`{number.task.ours}`, {number.steps:,} steps"
    return f"| {task} | {number.algorithm} | {label} | {number.text()} | {ours} | {row.verdict} |"


def other_tasks(source: Source) -> str:
    """That nothing here was run on any task of a source."""
    names = ", ".join(tasks_of(source))
    return f"Nothing can be compared with {source.name}: its tasks are others ({names})."


def tasks_of(source: Source) -> list[str]:
    """A source's tasks, each once, as they are named here."""
    return list(dict.fromkeys(task.ours for task in source.tasks))


COLUMNS = (
    *("source", "statistic", "spread_kind", "steps", "seeds", "task_published", "task", "metric"),
    *("algorithm_published", "algorithm", "published", "spread", "label", "ours_mean", "ours_sd"),
    *("ours_n", "difference", "low", "high", "p_holm", "verdict"),
)


def csv_row(row: Beside) -> dict[str, Any]:
    """All of a row as `COLUMNS`; what there is not is empty."""
    number, source, ours, found = row.number, row.number.source, row.ours, row.comparison
    return {
        "source": source.name,
        "statistic": source.statistic,
        "spread_kind": source.spread,
        "steps": number.steps,
        "seeds": source.seeds,
        "task_published": number.task.published,
        "task": number.task.ours,
        "metric": number.task.metric,
        "algorithm_published": number.algorithm,
        "algorithm": number.ours,
        "published": number.score,
        "spread": number.spread,
        "label": row.cell.label if row.cell else None,
        "ours_mean": ours.mean if ours else None,
        "ours_sd": ours.sd if ours and ours.n > 1 else None,
        "ours_n": ours.n if ours else 0,
        "difference": found.difference if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "p_holm": found.p if found else None,
        "verdict": row.verdict,
    }
