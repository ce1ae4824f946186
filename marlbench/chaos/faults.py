"""The ways to disturb a grid from outside, each called with the grid and whom it meets."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from marlbench.chaos.damage import damage
from marlbench.chaos.grids import Field
from marlbench.chaos.inside import FAULTS as INSIDE
from marlbench.store.owner import Owner
from marlbench.store.writing import alive

__all__ = ["KILLS", "OTHERS", "Victim"]

AIM = 5.0
"""Seconds in which a worker is expected to write a checkpoint."""
NO_ROOM = 1000
"""Bytes that a file may have while a disk is as good as full."""


@dataclass
class Victim:
    """Whom a fault meets."""

    field: Field
    folder: Path
    owner: Owner
    draws: random.Random

    def kill(self) -> None:
        """Kill the worker alone."""
        with suppress(ProcessLookupError):
            os.kill(self.owner.pid, signal.SIGKILL)


Fault = Callable[[Victim], str | None]
"""Happens, and may say to what."""


def kill_worker(victim: Victim) -> None:
    """Kill a worker."""
    victim.kill()


def kill_at_checkpoint(victim: Victim) -> None:
    """Kill a worker while it writes a checkpoint, or when it has not for a while."""
    until = time.monotonic() + AIM
    folder = victim.folder / "checkpoint"
    while time.monotonic() < until and not any(folder.glob(".*.tmp")):
        pass
    victim.kill()


def kill_environments(victim: Victim) -> None:
    """Kill what a worker has started: its environments, where they are processes, and it."""
    with suppress(psutil.Error):
        for child in psutil.Process(victim.owner.pid).children(recursive=True):
            child.kill()
    victim.kill()


def kill_scheduler(victim: Victim) -> None:
    """Kill the grid and leave its workers."""
    for grid in victim.field.grids:
        grid.kill()


def stop_scheduler(victim: Victim) -> None:
    """Ask the grid to stop, as a user or a cluster does."""
    for grid in victim.field.grids:
        grid.send_signal(victim.draws.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))


def kill_both(victim: Victim) -> None:
    """Kill the grid and a worker of it at once."""
    kill_scheduler(victim)
    victim.kill()


def start_another(victim: Victim) -> None:
    """Start the same command beside the one that plays."""
    if len(victim.field.grids) == 1:
        victim.field.start()


def stop_process(victim: Victim) -> None:
    """Stop a worker, as a debugger or a full terminal does, and never wake it."""
    with suppress(ProcessLookupError):
        os.kill(victim.owner.pid, signal.SIGSTOP)


def fill_disk(victim: Victim) -> None:
    """Let a worker find no room for what it writes."""
    with suppress(psutil.Error, OSError):
        soft = (NO_ROOM, resource.RLIM_INFINITY)
        psutil.Process(victim.owner.pid).rlimit(resource.RLIMIT_FSIZE, soft)


def close_log(victim: Victim) -> None:
    """Put a folder where the log of a run is to be, once its worker is dead."""
    with standing_still(victim):
        log = victim.folder / "worker.log"
        log.unlink(missing_ok=True)
        log.mkdir()


def damage_files(victim: Victim) -> str | None:
    """Damage a file of a run, once its worker is dead and before the next begins."""
    with standing_still(victim):
        return damage(victim.folder, victim.draws)


@contextmanager
def standing_still(victim: Victim) -> Iterator[None]:
    """Kill a worker and let nobody go on with its run meanwhile."""
    grids = [grid.pid for grid in victim.field.grids]
    for grid in grids:
        with suppress(ProcessLookupError):
            os.kill(grid, signal.SIGSTOP)
    victim.kill()
    until = time.monotonic() + AIM
    while alive(victim.folder) and time.monotonic() < until:
        time.sleep(0.01)
    try:
        yield
    finally:
        for grid in grids:
            with suppress(ProcessLookupError):
                os.kill(grid, signal.SIGCONT)


def within(name: str) -> Fault:
    """Give the fault of this name that happens within the worker."""
    return lambda victim: victim.field.ask(victim.owner, name)


KILLS: dict[str, tuple[int, Fault]] = {
    "worker killed": (8, kill_worker),
    "worker killed at a checkpoint": (6, kill_at_checkpoint),
    "environments killed with their worker": (3, kill_environments),
    "scheduler killed": (4, kill_scheduler),
    "scheduler and worker killed": (2, kill_both),
    "files damaged under a killed worker": (5, damage_files),
    "log closed under a killed worker": (1, close_log),
}
"""What counts as a kill, with its weight."""
OTHERS: dict[str, tuple[int, Fault]] = {
    **{f"worker {name}": (2 if "exit" in name else 1, within(name)) for name in INSIDE},
    "worker stopped by SIGSTOP": (1, stop_process),
    "no room on the disk": (3, fill_disk),
    "grid asked to stop": (3, stop_scheduler),
    "two grids at once": (2, start_another),
}
"""What else goes wrong, with its weight."""
