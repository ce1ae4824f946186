"""This machine as an executor: one child process for each run, in the slots of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from marlbench.executors import Executor, Outcome, Resources, Watcher
from marlbench.grid.scheduler import Scheduler
from marlbench.grid.slots import slots

__all__ = ["LOCAL"]


def slot_names(resources: Resources) -> list[str]:
    """Name the slots of this machine."""
    return [slot.name for slot in slots(resources)]


def run(folders: Sequence[Path], resources: Resources, watcher: Watcher) -> Outcome:
    """Play the runs of these folders in the slots of this machine."""
    by_memory = resources.runs_per_gpu == "auto"
    return Scheduler(slots(resources, len(folders)), watcher, by_memory=by_memory).run(folders)


LOCAL = Executor("local", "child processes on this machine, on its GPUs or cores", run, slot_names)
