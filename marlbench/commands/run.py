"""`marlbench run`: plan, check, announce, play, sum up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from marlbench.errors import UserError
from marlbench.executors import Resources
from marlbench.exit_codes import ExitCode
from marlbench.grid.launch import announcement, play, prepare, summary
from marlbench.grid.plan import Plan, Request, make_plan
from marlbench.host import Catalogue, load_catalogue, require_installed
from marlbench.overrides import Override, parse_set, read_file

__all__ = ["Options", "run_grid"]


@dataclass(frozen=True)
class Options:
    """The command's options as typed."""

    algorithms: Sequence[str]
    suite: str
    tasks: Sequence[str]
    seeds: int | None
    seed: Sequence[int]
    steps: int | None
    presets: Sequence[str]
    sets: Sequence[str]
    config: Path | None
    results: Path
    workers: int | None
    runs_per_gpu: int
    executor: str


def run_grid(options: Options) -> int:
    """Do what the options say; give the exit code. Raises UserError before anything is written."""
    catalogue = load_catalogue()
    plan = _plan(catalogue, options)
    resources = Resources(options.workers, options.runs_per_gpu, plan.run.threads, plan.run.device)
    executor = catalogue.executor(options.executor)
    grid = prepare(plan, options.results, executor, resources)
    for line in announcement(grid):
        print(line, flush=True)
    outcome = play(grid)
    for line in summary(grid, outcome):
        print(line, flush=True)
    if outcome.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED if outcome.failures else ExitCode.OK


def _plan(catalogue: Catalogue, options: Options) -> Plan:
    """Plan the runs; raises UserError, also for a suite whose simulator is not installed."""
    require_installed(catalogue.suite(options.suite))
    overrides = [parse_set(text) for text in options.sets]
    if options.steps is not None:
        overrides.append(Override("run.steps", options.steps, "--steps"))
    request = Request(
        algorithms=options.algorithms,
        suite=options.suite,
        tasks=options.tasks,
        seeds=_seeds(options),
        presets=options.presets,
        overrides=overrides,
        document=read_file(options.config) if options.config else {},
        document_name=options.config.name if options.config else "",
    )
    return make_plan(catalogue, request)


def _seeds(options: Options) -> Sequence[int] | None:
    if options.seeds is not None and options.seed:
        raise UserError("--seeds N means seeds 0 to N-1, --seed K one seed: give one of the two")
    if options.seeds is not None:
        return range(options.seeds)
    return options.seed or None
