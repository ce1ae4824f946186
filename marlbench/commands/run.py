"""`marlbench run`: plan, check, announce, play, sum up."""

from __future__ import annotations

from pathlib import Path

from marlbench.executors import Resources
from marlbench.exit_codes import ExitCode
from marlbench.grid.launch import announcement, play, prepare, summary
from marlbench.grid.plan import Request, make_plan
from marlbench.host import load_catalogue, require_installed

__all__ = ["run_grid"]


def run_grid(
    request: Request, results: Path, executor: str, workers: int | None, runs_per_gpu: int
) -> int:
    """Play what is asked for; give the exit code. Raises UserError before anything is written."""
    catalogue = load_catalogue()
    require_installed(catalogue.suite(request.suite))
    plan = make_plan(catalogue, request)
    resources = Resources(workers, runs_per_gpu, plan.run.threads, plan.run.device)
    grid = prepare(plan, results, catalogue.executor(executor), resources)
    for line in announcement(grid):
        print(line, flush=True)
    outcome = play(grid)
    for line in summary(grid, outcome):
        print(line, flush=True)
    if outcome.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED if outcome.failures else ExitCode.OK
