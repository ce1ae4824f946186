"""`marlbench run`: plan, check, announce, play, sum up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from marlbench.errors import UserError
from marlbench.executors import Outcome, Resources
from marlbench.exit_codes import ExitCode
from marlbench.grid.launch import Grid, all_done, announcement, play, prepare, summary
from marlbench.grid.plan import PAPER, Request, make_plan
from marlbench.grid.shards import read_shard
from marlbench.host import Catalogue, load_catalogue, require_installed
from marlbench.overrides import Override, read_file, without_executors
from marlbench.plugin import Config
from marlbench.settings import resolve

__all__ = ["names", "play_grid", "read_request", "run_grid"]


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


def run_grid(
    request: Request, results: Path, executor: str, workers: int | None, runs_per_gpu: int
) -> int:
    """Play what is asked for; give the exit code. Raises UserError before anything is written."""
    grid, outcome = play_grid(request, results, executor, workers, runs_per_gpu)
    if outcome.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if all_done(grid) else ExitCode.FAILED


def play_grid(
    request: Request, results: Path, executor: str, workers: int | None, runs_per_gpu: int
) -> tuple[Grid, Outcome]:
    """Play what is asked for, telling how it goes; give the grid and how it ended.

    Raises UserError before anything is written.
    """
    catalogue = load_catalogue()
    require_installed(catalogue.suite(request.suite))
    if (workers is not None and workers < 1) or runs_per_gpu < 1:  # from Python: typer has looked
        raise UserError("--workers and --runs-per-gpu are 1 or more")
    settings, request = executor_settings(catalogue, executor, request)
    plan = make_plan(catalogue, request)
    resources = Resources(workers, runs_per_gpu, plan.run.threads, plan.run.device, settings)
    grid = prepare(plan, results, catalogue.executor(executor), resources)
    for line in announcement(grid):
        print(line, flush=True)
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
