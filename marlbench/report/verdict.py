"""What a report comes to in one sentence, and what stands against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from marlbench.report.across import standing
from marlbench.report.caveats import by_task, missing, mixed
from marlbench.report.origins import mixed_code
from marlbench.report.scores import Cell, Run

__all__ = ["alarms", "excluded_sentences", "verdict"]


def verdict(cells: Sequence[Cell], names: Mapping[str, str]) -> str:
    """Say in one sentence how many runs there are and which label is best, by test."""
    alone, shared, tasks = standing(cells)
    runs = [run for cell in cells for run in cell.runs]
    counted = sum(len(cell.counted) for cell in cells)
    labels = len({cell.label for cell in cells})
    scope = (
        f"{_count(labels, 'label')} on {_count(tasks, 'task')}, "
        f"{counted} of {_count(len(runs), 'run')} finished"
    )
    order = {label: place for place, label in enumerate(names)}
    leading = sorted(
        alone.keys() | shared.keys(),
        key=lambda x: (-alone.get(x, 0), -shared.get(x, 0), order[x]),
    )
    if not leading:
        return f"{scope}: {_why_none(cells)}."
    if not alone:
        return f"{scope}: {_nobody_alone(leading, shared, tasks, names)}."
    said = [_leads(label, alone, shared, tasks, names) for label in leading[:3]]
    rest = len(leading) - 3
    more = [f"and {rest} more share a best mean"] if rest > 0 else []
    return f"{scope}: {'; '.join([*said, *more])}."


def _nobody_alone(
    leading: Sequence[str], shared: Mapping[str, int], tasks: int, names: Mapping[str, str]
) -> str:
    most = shared[leading[0]]
    first = [names[label] for label in leading if shared[label] == most]
    named = ", ".join(first[:6]) + (f" and {len(first) - 6} more" if len(first) > 6 else "")
    return (
        f"no label is best alone; {named} share the best mean on {most} of {tasks} by Welch's test"
    )


def _leads(
    label: str,
    alone: Mapping[str, int],
    shared: Mapping[str, int],
    tasks: int,
    names: Mapping[str, str],
) -> str:
    parts = []
    if alone.get(label):
        parts.append(f"best alone on {alone[label]}")
    if shared.get(label):
        parts.append(f"not told from the best on {shared[label]}")
    return f"{names[label]} is {' and '.join(parts)} of {tasks} by Welch's test"


def _why_none(cells: Sequence[Cell]) -> str:
    rows = [row for _, row in by_task(cells)]
    if all(len(row) == 1 for row in rows):
        cell = cells[0]
        if len(cells) == 1 and cell.statistics.mean is not None:
            mean = cell.metric.text(cell.statistics.mean / cell.metric.scale)
            return f"{cell.metric.name} {mean}, and nothing to compare it with"
        return "no task has two labels to compare"
    if any(mixed(row) for row in rows):
        return "the runs differ in settings (†) and do not compare"
    return "no label is called best, because the highest mean has fewer than 3 finished seeds"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def alarms(cells: Sequence[Cell]) -> Iterator[str]:
    """Sentences for the red banner: missing, failed, diverged, mixed, the short form first."""
    states = Counter(run.record.status for c in cells for run in c.runs if run not in c.counted)
    if states:
        yield "Not counted: " + ", ".join(f"{n} {state}" for state, n in states.items()) + "."
    for (suite, task), row in by_task(cells):
        yield from (f"† {suite}/{task}: {difference}." for difference in mixed(row))
    for cell in cells:
        yield from (f"{sentence}." for sentence in (*missing(cell), *mixed_code(cell)))


def excluded_sentences(runs: Iterable[Run]) -> Iterator[str]:
    """Runs that the user left out, each with the reason given."""
    for run in runs:
        spec, said = run.record.spec, run.record.excluded or {}
        place = f"{spec.suite}/{spec.row}, {spec.label}, seed {spec.seed}"
        yield f"{place} is excluded: {said.get('why', 'no reason given')}."
