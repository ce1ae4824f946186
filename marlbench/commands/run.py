"""`marlbench run`: plan, check, announce, play, sum up."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from marlbench.errors import UserError
from marlbench.executors import Outcome, Resources, RunsPerGpu
from marlbench.exit_codes import ExitCode
from marlbench.following.start import followed, require_sink
from marlbench.grid.launch import (
    Grid,
    all_done,
    announcement,
    planned,
    play,
    prepare,
    summary,
    write_documents,
)
from marlbench.grid.plan import PAPER, Request, make_plan
from marlbench.grid.shards import read_shard
from marlbench.host import Catalogue, load_catalogue
from marlbench.needs import require_installed, require_ready
from marlbench.overrides import Override, read_file, without_executors
from marlbench.plugin import Config
from marlbench.settings import resolve
from marlbench.sinks import Sink

__all__ = [
    "named_by",
    "names",
    "play_grid",
    "prepare_grid",
    "read_request",
    "run_grid",
    "sharing",
    "show_plan",
]


def read_request(  # noqa: PLR0913 - one parameter per option
    *,
    algo: Sequence[str],
    suite: str,
    task: Sequence[str],
    seeds: int | None,
    seed: Sequence[int],
    steps: int | None,
    preset: Sequence[str],
    overrides: Sequence[Override],
    config: Path | None,
    label: str | None,
    shard: str | None,
    study: str | None,
) -> Request:
    """Understand the options that say what to play, empty or None where one is left out.

    Raises UserError.
    """
    if seeds is not None and seed:
        raise UserError("--seeds N means seeds 0 to N-1, --seed K one seed: give one of the two")
    return Request(
        algorithms=names("--algo", algo),
        suite=suite,
        tasks=names("--task", task),
        seeds=range(seeds) if seeds is not None else seed or None,
        presets=names("--preset", preset) or [PAPER],
        overrides=[
            *(read_file(config) if config else []),
            *overrides,
            *([] if steps is None else [Override("run.steps", steps, "--steps")]),
        ],
        label=label,
        shard=None if shard is None else read_shard(shard, os.environ),
        study=study,
    )


def names(option: str, values: Sequence[str]) -> list[str]:
    """Open `a,b` into its names; an option that is given must name something."""
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    if values and not names:
        raise UserError(
            f"{option} names nothing: give a name or leave {option} out (marlbench list)"
        )
    return names


def sharing(said: int | str) -> RunsPerGpu:
    """Understand how many runs are to share a GPU; raises UserError."""
    if said == "auto":
        return "auto"
    number = int(said) if str(said).isdecimal() else 0
    if number < 1:
        raise UserError(f"--runs-per-gpu is 1 or more, or auto, not {said}")
    return number


def named_by(only: Mapping[str, Sequence[str] | None]) -> dict[str, list[str]]:
    """Open the options that choose runs, by option; one that is given must name something."""
    return {key: names(f"--{key}", given or []) for key, given in only.items()}


@dataclass(frozen=True)
class Way:
    """How a grid is to be played: what starts its runs, how many at a time, who follows them."""

    executor: str = "local"
    workers: int | None = None
    """Runs at a time; None: as many as fit."""
    runs_per_gpu: RunsPerGpu = 1
    sinks: Sequence[str] = ()
    """Names of sinks that follow the runs' files."""


def run_grid(request: Request, results: Path, way: Way) -> int:
    """Play what is asked for; give the exit code. Raises UserError before anything is written."""
    grid, outcome = play_grid(request, results, way)
    if outcome.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if all_done(grid) else ExitCode.FAILED


def show_plan(request: Request, results: Path, way: Way) -> Iterator[str]:
    """Give what `run_grid` would do, a line for each run; raises UserError, writes nothing."""
    grid, _ = prepare_grid(request, results, way)
    yield from announcement(grid)
    yield from planned(grid)
    yield "nothing was started: the same command without --dry-run plays it"


def prepare_grid(request: Request, results: Path, way: Way) -> tuple[Grid, list[Sink]]:
    """Look whether what is asked for can be played here; raises UserError, writes nothing."""
    catalogue = load_catalogue()
    suite = catalogue.suite(request.suite)
    require_installed(suite)
    check_numbers(way)
    sinks = [catalogue.sink(name) for name in dict.fromkeys(way.sinks)]
    for sink in sinks:
        require_sink(sink)
    settings, request = executor_settings(catalogue, way.executor, request)
    plan = make_plan(catalogue, request)
    require_ready(suite)
    run = plan.run
    resources = Resources(way.workers, way.runs_per_gpu, run.threads, run.device, settings)
    return prepare(plan, results, catalogue.executor(way.executor), resources), sinks


def check_numbers(way: Way) -> None:
    """Raise UserError for numbers that mean nothing."""
    sharing(way.runs_per_gpu)
    if way.workers is not None and way.workers < 1:
        raise UserError("--workers is 1 or more")


def play_grid(request: Request, results: Path, way: Way) -> tuple[Grid, Outcome]:
    """Play what is asked for, telling how it goes; give the grid and how it ended.

    Raises UserError before anything is written.
    """
    grid, sinks = prepare_grid(request, results, way)
    for line in announcement(grid):
        print(line, flush=True)
    write_documents(grid)
    with followed(sinks, results, grid.folders):
        outcome = play(grid)
    for line in summary(grid, outcome):
        print(line, flush=True)
    return grid, outcome


def executor_settings(catalogue: Catalogue, name: str, request: Request) -> tuple[Config, Request]:
    """Give the executor's own settings, and the request without them; raises UserError."""
    executor = catalogue.executor(name)
    others = catalogue.executors.keys() - {name} - catalogue.algorithms.keys()
    own, rest = without_executors(request.overrides, name, executor.config, others)
    settings = executor.config(**resolve(name, executor.config, own).document)
    return settings, replace(request, overrides=rest)
