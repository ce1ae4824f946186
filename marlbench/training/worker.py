"""The process of one run: `python -m marlbench.training.worker FOLDER`.

It ends with an `ExitCode`. When the run failed, the file `FAILED` says why. When it was
interrupted, a checkpoint was taken; within a long update the one before it is gone on from.
"""

from __future__ import annotations

import os
import random
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from marlbench.errors import RAISED_BY_PLUGINS, one_line
from marlbench.exit_codes import ExitCode, leave
from marlbench.store import Journal, Superseded, read_spec
from marlbench.store.files import no_room
from marlbench.store.folder import DONE, INTERRUPTED
from marlbench.training.allocator import keep_freed_memory
from marlbench.training.device_memory import is_full
from marlbench.training.interrupt import Interrupted, Stop
from marlbench.training.printing import print_forgivingly
from marlbench.vecenv.agent_index import with_agent_index
from marlbench.vecenv.seeding import purpose_seed

if TYPE_CHECKING:
    from marlbench.config import RunConfig, RunSpec
    from marlbench.plugin import Algorithm, Suite

Entries = Callable[[], "tuple[Algorithm, Suite]"]

LESS = "its GPU needs more room: a lower --runs-per-gpu, smaller networks or batches"

PLUGINS_RAISE: tuple[type[BaseException], ...] = (*RAISED_BY_PLUGINS, KeyboardInterrupt)
"""Anything at all: signals only ask, so that these come from plugins too."""


def run(
    spec: RunSpec, folder: Path, algorithm: Algorithm, suite: Suite, stop: Stop | None = None
) -> int:
    """Run or resume a run with these catalogue entries; give the exit code."""
    return attempt(spec, folder, lambda: entries_for(spec, algorithm, suite), stop or Stop())


def attempt(spec: RunSpec, folder: Path, entries: Entries, stop: Stop) -> int:
    """Make one attempt at a run, whatever happens in it; give the exit code."""
    if (folder / DONE).exists():
        return ExitCode.OK
    try:
        journal = Journal(folder)
    except OSError as error:
        print(f"marlbench: {folder} cannot be written: {one_line(error)}", file=sys.stderr)
        return unwritten(error, folder)
    try:
        work(spec, journal, entries, stop)
    except Interrupted:
        with suppress(OSError):  # a full disk: then the scheduler takes it for a death
            journal.append_event(INTERRUPTED)
        return ExitCode.INTERRUPTED
    except Superseded as newer:
        print(f"marlbench: {newer}", file=sys.stderr)
        return ExitCode.SUPERSEDED
    except PLUGINS_RAISE as error:  # FAILED keeps it
        return fail(journal, error)
    finally:
        journal.close()
    return ExitCode.OK


def work(spec: RunSpec, journal: Journal, entries: Entries, stop: Stop) -> None:
    """Train to the end and write `DONE`; on a stop take a checkpoint first."""
    found = entries()
    device = prepare_torch(spec.run, spec.seed)
    keep_freed_memory()
    journal.append_event("attempt", device=device, pid=os.getpid())

    from marlbench.training.divergence import named
    from marlbench.training.gradient_steps import between
    from marlbench.training.loop import between_gradient_steps, save_and_stop, train
    from marlbench.training.start import start

    run = start(spec, found, journal, device, stop)
    try:
        with named(run.agent, run.position), between(partial(between_gradient_steps, run)):
            train(run)
    except Interrupted as stopped:
        save_and_stop(run, stopped)
        raise
    finally:
        run.close()
    journal.write_done({"env_steps": run.position.env_steps, "updates": run.position.updates})


def prepare_torch(run: RunConfig, seed: int) -> str:
    """Set torch up for this process; give the device, `cpu` or `cuda`."""
    import torch

    available = torch.cuda.is_available()
    if run.device == "cuda" and not available:
        raise ValueError("there is no GPU here that torch can use: --set run.device=cpu")
    device = "cuda" if available and run.device != "cpu" else "cpu"
    torch.set_num_threads(run.threads)
    # not `use_deterministic_algorithms`, which also imports the compiler to set it up
    torch.set_deterministic_debug_mode("error" if device == "cpu" else "default")
    # a mode that also fills what torch allocates with NaNs: 7 % of an update (docs/benchmarks)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    seed_global_generators(seed)
    return device


def seed_global_generators(seed: int) -> None:
    """Seed what a plugin may draw from by mistake; no plugin should need it."""
    import numpy as np
    import torch

    number = purpose_seed(seed, "global generators")
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def fail(journal: Journal, error: BaseException) -> int:
    """Write `FAILED`, if the folder can be written, and one line for whoever started this."""
    from marlbench.training.divergence import Diverged

    if no_room(error, journal.folder):
        print(f"marlbench: {journal.folder}: {one_line(error)}", file=sys.stderr)
        return ExitCode.UNWRITABLE
    try:
        if isinstance(error, Diverged):
            print(f"marlbench: {journal.folder} {error}", file=sys.stderr)
            journal.write_diverged(error.env_steps, error.number)
        else:
            why, trace = one_line(error), "".join(traceback.format_exception(error))
            print(f"marlbench: {journal.folder} failed: {why}", file=sys.stderr)
            journal.write_failed(f"{why}; {LESS}" if is_full(error) else why, trace)
            return ExitCode.GPU_FULL if is_full(error) else ExitCode.FAILED
    except Superseded:
        return ExitCode.SUPERSEDED
    except OSError as unsaid:
        return unwritten(unsaid, journal.folder)
    return ExitCode.FAILED


def unwritten(error: OSError, folder: Path) -> int:
    """Give the exit code of what could not be written: where room may come, that is no failure."""
    return ExitCode.UNWRITABLE if no_room(error, folder) else ExitCode.FAILED


def from_catalogue(spec: RunSpec) -> tuple[Algorithm, Suite]:
    """Find what the run's document names, importing no more plugins than that takes."""
    from marlbench.host import load_catalogue

    catalogue = load_catalogue([("algorithms", spec.algorithm), ("suites", spec.suite)])
    return entries_for(spec, catalogue.algorithm(spec.algorithm), catalogue.suite(spec.suite))


def entries_for(spec: RunSpec, algorithm: Algorithm, suite: Suite) -> tuple[Algorithm, Suite]:
    """Give the entries as this run sees them: it says whether agents are told their index."""
    return algorithm, with_agent_index(suite, algorithm, spec.run.agent_index)


def main(arguments: list[str]) -> int:
    """Work on the folder named on the command line."""
    if len(arguments) != 1:
        print("usage: python -m marlbench.training.worker FOLDER", file=sys.stderr)
        return ExitCode.USAGE
    folder = Path(arguments[0]).absolute()  # environments may change the working directory
    print_forgivingly()
    stop = Stop()
    stop.listen()
    try:
        spec = read_spec(folder)
    except (OSError, ValueError) as error:
        print(f"marlbench: {folder} holds no run: {one_line(error)}", file=sys.stderr)
        return ExitCode.USAGE
    return attempt(spec, folder, lambda: from_catalogue(spec), stop)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
