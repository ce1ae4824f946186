"""`marlbench evaluate`: fresh episodes with a trained agent, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from marlbench.commands.watch import check_playable, find_run, spec_of, unfinished
from marlbench.exit_codes import ExitCode
from marlbench.grid.slots import Slot
from marlbench.host import Catalogue, check_task
from marlbench.processors import cores
from marlbench.store.files import read_rows
from marlbench.store.folder import BY_HAND

__all__ = ["evaluate_run"]


def evaluate_run(  # noqa: PLR0913 - one parameter per option
    catalogue: Catalogue,
    run: str,
    results: Path,
    episodes: int | None,
    seed: int,
    task: str | None,
    of: str,
) -> int:
    """Evaluate a run; give the exit code. Raises UserError before anything heavy is loaded."""
    folder = find_run(run, results, "evaluate")
    suite, spec = check_playable(catalogue, folder, of), spec_of(folder)
    check_task(suite, task or spec.task)
    asked = {
        "episodes": episodes or spec.run.evaluation.final_episodes,
        "seed": seed,
        "task": task or spec.task,
        "of": of,
    }
    print(f"evaluating {folder}", flush=True)
    command = [sys.executable, "-m", "marlbench.training.by_hand", str(folder), json.dumps(asked)]
    # nothing is learnt: one thread, no GPU
    environment = Slot("evaluation", "", 1, cores()).environment()
    kept = folder / BY_HAND
    before = len(read_rows(kept))
    code = subprocess.run(command, env=environment, check=False).returncode
    if code == ExitCode.OK and len(read_rows(kept)) == before:
        return unfinished("evaluate", folder)
    return code
