"""What a reader asks a report for, and what it leaves out then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from marlbench.report.bands import ENDED
from marlbench.report.scores import Run, cells, place, read_runs
from marlbench.report.sections import Material, ReportError

__all__ = ["Wanted", "material"]


@dataclass(frozen=True)
class Wanted:
    """Empty: all of them."""

    suites: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    metric: str = ""
    """What tables show in place of a task's first metric, on tasks that have it."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What to call labels."""
    include_unfinished: bool = False
    """Whether runs that are not finished count too, by their last evaluation."""

    def choices(self) -> Iterator[tuple[str, tuple[str, ...], int]]:
        """Option, what it names, and where in (suite, task, label, algorithm) it looks."""
        yield "--suite", self.suites, 0
        yield "--task", self.tasks, 1
        yield "--label", self.labels, 2
        yield "--algo", self.algorithms, 3


def material(folders: Sequence[Path], wanted: Wanted) -> Material:
    """Read what a report is made of.

    Raises `ReportError` where nothing is left, for a name that no run has, and where two folders
    hold the same run.
    """
    found = read_runs(*folders)
    where = " and ".join(map(str, folders))
    if not found:
        raise ReportError(f"no runs under {where}: start some with `marlbench run`")
    _check_names(found, wanted)
    asked = [run for run in found if _asked(run, wanted)]
    kept = [run for run in asked if run.record.excluded is None]
    excluded = tuple(run for run in asked if run.record.excluded is not None)
    if not kept:
        said = "all of them are excluded" if excluded else "none has all that was asked for"
        raise ReportError(f"no run of {len(found)} under {where} is left: {said}")
    _check_twins(kept)
    taken = [_taken(run) for run in kept] if wanted.include_unfinished else kept
    return Material(
        results=folders[0],
        cells=cells(taken, wanted.metric),
        names=wanted.names,
        excluded=excluded,
        left_out=tuple(_left_out(len(found), len(asked), taken, wanted)),
    )


def _key(run: Run) -> tuple[str, str, str, str]:
    """Suite, task with its settings, label and algorithm."""
    return (*place(run.record), run.record.spec.algorithm)


def _asked(run: Run, wanted: Wanted) -> bool:
    key, task = _key(run), run.record.spec.task
    return all(
        not names or key[at] in names or (at == 1 and task in names)
        for _, names, at in wanted.choices()
    )


def _taken(run: Run) -> Run:
    """A run that counts though it is not finished; one that broke does not."""
    return run if run.record.status in ENDED else replace(run, taken=True)


def _check_names(runs: Iterable[Run], wanted: Wanted) -> None:
    runs = list(runs)
    keys = [_key(run) for run in runs]
    for option, names, at in wanted.choices():
        known = {key[at] for key in keys}
        if at == 1:
            known |= {run.record.spec.task for run in runs}
        _refuse(option, names, known)
    _refuse("--name", wanted.names, {key[2] for key in keys})
    metrics = {metric.name for run in runs for metric in run.record.metrics}
    _refuse("--metric", filter(None, [wanted.metric]), metrics)


def _refuse(option: str, names: Iterable[str], known: set[str]) -> None:
    for name in names:
        if name not in known:
            raise ReportError(
                f"{option} {name}: no run here has it, only {', '.join(sorted(known))}"
            )


def _check_twins(runs: Iterable[Run]) -> None:
    """Refuse one run in two folders: it would count twice."""
    seen: dict[tuple[object, ...], Path] = {}
    for run in runs:
        key = (*_key(run), run.seed)
        if key in seen:
            both = f"{seen[key]} and {run.record.folder}"
            raise ReportError(f"{both} are the same run: leave one out (marlbench exclude)")
        seen[key] = run.record.folder


def _left_out(found: int, asked: int, runs: Sequence[Run], wanted: Wanted) -> Iterator[str]:
    """In one line each what the reader's own choice does to the report."""
    options = [f"{option} {','.join(names)}" for option, names, _ in wanted.choices() if names]
    if options:
        yield f"As asked by {' '.join(options)}: {asked} of {found} runs, {found - asked} left out."
    early = sum(run.taken and not run.finished for run in runs)
    if early:
        noun = "run counts" if early == 1 else "runs count"
        yield f"{early} unfinished {noun}, as asked, by the last evaluation that is there."
