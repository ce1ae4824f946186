"""Takes a plan to its end: checks folders, says what will happen, plays, says what came of it."""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from marlbench.config import RunSpec
from marlbench.errors import UserError
from marlbench.executors import Executor, Outcome, Resources, Watcher
from marlbench.grid.board import Board
from marlbench.grid.extending import is_shorter, refuse_extending
from marlbench.grid.plain import PlainView
from marlbench.grid.plan import PAPER, Plan
from marlbench.grid.status import lines, to_play_again, totals
from marlbench.grid.variants import meanings, refuse_old_places, refuse_shared_labels
from marlbench.host import check_open_tasks
from marlbench.plugin import Algorithm
from marlbench.store import RunRecord, SpecConflict, agreeing, create, run_folder, runs
from marlbench.store.folder import SPEC

__all__ = [
    "Grid",
    "all_done",
    "announcement",
    "planned",
    "play",
    "prepare",
    "summary",
    "what_it_cost",
    "write_documents",
]

WIDTH = 78
LONG = 100_000
"""Env steps from which the paper's settings of a heavy learner take days without a GPU."""


@dataclass(frozen=True)
class Grid:
    """A plan that may start."""

    plan: Plan
    results: Path
    executor: Executor
    resources: Resources
    slots: tuple[str, ...]
    """Names of the slots that the executor has."""
    folders: tuple[Path, ...]
    """Of all runs, in the plan's order."""
    records: dict[Path, RunRecord] = field(default_factory=dict)
    """The runs that were there before."""

    def status(self, folder: Path) -> str:
        """Give a run's status before this grid: as in a `RunRecord`, `new`, or `shorter`."""
        if folder not in self.records:
            return "new"
        record = self.records[folder]
        return "shorter" if is_shorter(record, self.plan.run.steps) else record.status

    def todo(self) -> list[Path]:
        """Give the runs that have not ended; one that diverged would only do so again."""
        return [each for each in self.folders if self.status(each) not in ("done", "diverged")]


def prepare(plan: Plan, results: Path, executor: Executor, resources: Resources) -> Grid:
    """Check machine, tasks and results folder; raises UserError, starts and writes nothing."""
    slots = tuple(executor.slots(resources))
    for spec in plan.specs[:1]:  # a shard may have none
        config = plan.suite.config(**spec.suite_config)
        check_open_tasks(plan.suite, plan.tasks, config)
    check_writable(results)
    folders = tuple(run_folder(results, spec) for spec in plan.specs)
    found = runs(results)
    refuse_old_places(results, folders, found)
    refuse_shared_labels(plan.specs, [(each.folder, plan.today(each.spec)) for each in found])
    records = {record.folder: record for record in found if record.folder in set(folders)}
    for folder, spec in zip(folders, plan.specs, strict=True):
        if (folder / SPEC).exists():
            _refuse_other(plan, folder, spec)
            if folder in records:
                refuse_extending(records[folder], spec, _algorithm(plan, spec))
    return Grid(plan, results, executor, resources, slots, folders, records)


def _refuse_other(plan: Plan, folder: Path, spec: RunSpec) -> None:
    """Raise UserError if the run that is there has other settings, or none that can be read."""
    try:
        agreeing(folder, spec, plan.today)
    except SpecConflict as error:
        raise UserError(str(error)) from error
    except ValueError as error:
        file = folder / SPEC
        raise UserError(f"{file} cannot be read; move its folder away to begin anew") from error


def _algorithm(plan: Plan, spec: RunSpec) -> Algorithm:
    return next(each for each in plan.algorithms if each.name == spec.algorithm)


def check_writable(folder: Path) -> None:
    """Raise UserError if nothing can be written below this folder; leaves nothing there."""
    there = folder.absolute()
    try:
        while not there.exists():  # raises where a parent is closed to us or a name is too long
            there = there.parent
        with TemporaryDirectory(dir=there, prefix=".marlbench-"):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"--results {folder}: cannot write to {there} ({reason}); name another folder"
        ) from error


def announcement(grid: Grid) -> Iterator[str]:
    """Say what is about to happen, a line each."""
    plan, number = grid.plan, len(grid.folders)
    labels = dict.fromkeys(spec.label for spec in plan.specs)
    rows = dict.fromkeys(spec.row for spec in plan.specs)
    yield f"{number} run{'s' if number != 1 else ''} of {plan.run.steps:,} env steps"
    if plan.shard:
        yield from _entry("shard", f"{plan.shard} of a grid of {plan.of_runs} runs")
    yield from _entry("play", ", ".join(labels))
    for meaning in meanings(plan.specs):
        yield from _entry("", meaning)
    yield from _entry("on", f"{plan.suite.name}: {', '.join(rows)}{_other_tasks(plan)}")
    yield from _entry("seeds", ", ".join(str(seed) for seed in plan.seeds))
    yield from _entry("preset", ", ".join(plan.presets) + _brought_along(plan))
    if todo := len(grid.todo()):
        threads = f"{grid.resources.threads} thread{'s' if grid.resources.threads > 1 else ''}"
        yield from _entry("machine", f"{_device(grid)}, {_at_once(grid, todo)}, {threads} each")
        yield from _entry("copies", _copies(grid))
    yield from _entry("results", str(grid.results))
    yield from _already(grid)
    yield from _long_without_gpu(grid)


def _entry(name: str, text: str) -> list[str]:
    """Give a name and what it is, in as many lines as it needs."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {name:<9}",
        subsequent_indent=" " * 11,
        break_long_words=False,  # paths are copied whole
        break_on_hyphens=False,
    )


def _other_tasks(plan: Plan) -> str:
    if not plan.tasks_by_preset:
        return ""
    number = len(plan.suite.tasks)
    which = "its default task" if len(plan.tasks) == 1 else "the paper's"
    says = "preset {} says" if len(plan.presets) == 1 else "presets {} say"
    words = says.format(", ".join(plan.presets))
    return f" ({which}, as {words}; --task all plays all {number})"


def _brought_along(plan: Plan) -> str:
    """Name the presets that others bring along on tasks of this plan."""
    names = dict.fromkeys(name for spec in plan.specs for name in spec.presets)
    brought = [name for name in names if name not in plan.presets]
    return f", with {', '.join(brought)} where images are seen" if brought else ""


def _device(grid: Grid) -> str:
    return "GPU" if any(name.startswith("gpu") for name in grid.slots) else "CPU"


def _at_once(grid: Grid, todo: int) -> str:
    """Say how many of so many runs play at a time."""
    number = min(len(grid.slots), todo)
    if grid.resources.runs_per_gpu == "auto" and _device(grid) == "GPU":
        return f"one run each, then as many as its memory allows, {number} at most"
    return f"{number} at a time"


def _copies(grid: Grid) -> str:
    """Say how many copies of environments will be there at once, each a game with some suites."""
    plan, specs = grid.plan, dict(zip(grid.folders, grid.plan.specs, strict=True))
    evaluation = min(plan.run.evaluation.num_envs, plan.run.evaluation.episodes)
    training = {each: specs[each].algorithm_config["num_envs"] for each in grid.todo()}
    largest = sorted(training.values(), reverse=True)[: len(grid.slots)]
    numbers = sorted(set(largest))
    a_run = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    total = sum(largest) + evaluation * len(largest)
    return f"{total} environments at once: a run trains in {a_run}, evaluates in {evaluation}"


def planned(grid: Grid) -> Iterator[str]:
    """Give a line for each run of the plan, as it stands before the grid."""
    for folder, spec in zip(grid.folders, grid.plan.specs, strict=True):
        yield f"  {grid.status(folder):<10} {spec.row} {spec.label} seed {spec.seed}"


def _already(grid: Grid) -> Iterator[str]:
    """Say what of the plan is there already."""
    words = {
        "done": "done already, skipped",
        "running": "being played: waited for, or taken over where their grid was killed",
        "unfinished": "to go on where they stopped",
        "shorter": f"shorter, to go on to {grid.plan.run.steps:,} env steps",
        "failed": "failed before, tried again",
        "diverged": "diverged before, kept as they ended",
    }
    for status, meaning in words.items():
        if number := sum(grid.status(folder) == status for folder in grid.folders):
            yield from _entry("there", f"{number} {meaning}")


def _long_without_gpu(grid: Grid) -> Iterator[str]:
    """Warn of days of waiting, with the preset that avoids them."""
    heavy = [each.name for each in grid.plan.algorithms if each.wants_gpu]
    paper = grid.plan.presets[-1:] == (PAPER,) and grid.plan.run.steps >= LONG
    if heavy and paper and grid.todo() and _device(grid) == "CPU":
        yield from _entry(
            "WARNING",
            f"no GPU here: with the paper's settings {', '.join(heavy)} will take days per run on "
            "this machine; --preset quick learns something in minutes",
        )


def write_documents(grid: Grid) -> None:
    """Write the runs' documents; raises UserError where they cannot be."""
    try:
        for spec in grid.plan.specs:
            create(grid.results, spec, grid.plan.today)
    except OSError as error:
        raise UserError(
            f"--results {grid.results}: {error.strerror}; name another folder"
        ) from error


def play(grid: Grid) -> Outcome:
    """Play the runs that are open."""
    todo = grid.todo()
    if not todo:
        return Outcome({}, interrupted=False)
    specs = dict(zip(grid.folders, grid.plan.specs, strict=True))
    board = Board([(folder, specs[folder]) for folder in todo], len(grid.slots))
    with _view(board) as view:
        return grid.executor.run(todo, grid.resources, view)


def _view(board: Board) -> AbstractContextManager[Watcher]:
    """Give the picture for a terminal, lines for anything else."""
    if sys.stdout.isatty() and os.environ.get("TERM") not in (None, "dumb", "unknown"):
        from marlbench.grid.live import LiveView

        return LiveView(board)
    return nullcontext(PlainView(board))


def what_it_cost(records: Iterable[RunRecord]) -> str:
    """Say what an interruption cost."""
    again = [steps for record in records if (steps := to_play_again(record))]
    if not again:
        return "nothing is lost, the same command goes on where it stopped"
    whose = "1 run" if len(again) == 1 else f"{len(again)} runs"
    return f"the same command plays {sum(again):,} env steps of {whose} again and goes on"


def all_done(grid: Grid) -> bool:
    """Say whether every planned run reads as done, whatever its worker's exit code said."""
    return {each.folder for each in _now(grid) if each.status == "done"} >= set(grid.folders)


def _now(grid: Grid) -> list[RunRecord]:
    """Give the runs of a grid as they stand; they are not read again where none was open."""
    if not grid.todo():
        return list(grid.records.values())
    wanted = set(grid.folders)
    return [record for record in runs(grid.results) if record.folder in wanted]


def summary(grid: Grid, outcome: Outcome) -> Iterator[str]:
    """Say how every run stands and what to do next, a line each."""
    records = _now(grid)
    yield from lines(records)
    yield from meanings(record.spec for record in records)
    yield f"{totals(records)}, in {grid.results}"
    if outcome.interrupted:
        yield f"interrupted; {what_it_cost(records)}"
    elif any(record.status == "failed" for record in records):
        yield "the same command tries the failed ones again"
    if any(record.status == "diverged" for record in records):
        yield "those that diverged stay so, the report counts them: other settings are other runs"
    yield f"next: marlbench report --results {shlex.quote(str(grid.results))}"
