"""The process of a run as its grid sees it: started or adopted, listened to, ended with its kin."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from marlbench.exit_codes import ExitCode
from marlbench.grid.logs import open_log
from marlbench.grid.pulse import Pulse
from marlbench.grid.slots import Slot
from marlbench.process_memory import GIB, more_than
from marlbench.store import read_spec
from marlbench.store.files import read_json
from marlbench.store.folder import COMMAND, DONE, FAILED, PROGRESS
from marlbench.store.owner import WORKER, Owner, marked, new_token
from marlbench.store.writing import alive, newest_owner, orphan

__all__ = ["Worker", "adopt", "death", "spawn"]

UNSEEN = 256
"""In place of the exit code of an adopted worker, which its grid alone would have been told."""
PATIENCE = 5.0
"""Seconds for the system to bury what was killed."""


@dataclass
class Worker:
    """The process that plays a run, and all that it started."""

    folder: Path
    token: str
    """What all its processes are marked with."""
    pid: int
    pulse: Pulse
    process: subprocess.Popen[bytes] | None
    """None for one that an earlier grid started."""
    code: int | None = None
    memory_gib: float | None = field(init=False)
    """What all its processes may hold together; None: no limit."""

    def __post_init__(self) -> None:
        """Look up what the user said: it may be another since the last worker of the run."""
        self.memory_gib = None
        with suppress(OSError, ValueError):  # of a run that cannot be read its worker says why
            self.memory_gib = read_spec(self.folder).run.memory_gib

    def poll(self) -> int | None:
        """Give its exit code; None while it lives."""
        if self.process is not None:
            self.code = self.process.poll()
        elif self.code is None and not alive(self.folder):
            ends = {DONE: ExitCode.OK, FAILED: ExitCode.FAILED}
            said = (code for name, code in ends.items() if (self.folder / name).exists())
            self.code = next(said, UNSEEN)
        return self.code

    def too_much(self) -> str | None:
        """Say that its processes hold more memory than they may; None where they do not."""
        allowed = self.memory_gib
        if allowed is None or (held := more_than(allowed * GIB, self.pid)) is None:
            return None
        return (
            f"its processes held {held / GIB:.3g} GiB of memory, run.memory_gib allows "
            f"{allowed:.3g}: set it higher, or the algorithm's replay_gib or num_envs lower"
        )

    def progress(self) -> dict[str, Any]:
        """Give what it last said in `progress.json`; nothing where that is an earlier worker's."""
        with suppress(OSError, ValueError):
            told = read_json(self.folder / PROGRESS) or {}
            return told if told.get("pid") == self.pid else {}
        return {}

    def ask_to_stop(self) -> None:
        """Ask the worker alone: what it started serves it until its checkpoint is taken."""
        if self.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGTERM)
                os.kill(self.pid, signal.SIGCONT)  # one that was stopped hears nothing

    def end(self) -> None:
        """Kill it and all that it started, into whatever session that went."""
        kin = _descendants(self.pid) if self.poll() is None else []
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for process in kin:  # also those whose environment was emptied, mark and all
            with suppress(psutil.Error):
                process.kill()
        end_marked(self.token)
        if self.process is not None:
            self.process.wait()


def spawn(command: Sequence[str], folder: Path, slot: Slot) -> Worker:
    """Start a worker in a session of its own, so that a Ctrl-C reaches the grid alone.

    What an earlier worker of the run left is ended first. Raises OSError where its log cannot be
    opened or the system has no process to give.
    """
    with suppress(ValueError):  # an attempt's file that is none
        owner = newest_owner(folder)
        if owner is not None and owner.of(folder) and owner.gone():
            end_marked(owner.token)
    token = new_token(folder)
    typed = shlex.join(["marlbench", *sys.argv[1:]])
    log = open_log(folder)
    try:
        process = subprocess.Popen(
            [*command, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={COMMAND: typed, **slot.environment(), WORKER: token},  # from Python it is said
            start_new_session=True,
        )
    finally:
        os.close(log)
    return Worker(folder, token, process.pid, Pulse(folder), process)


def adopt(folder: Path) -> tuple[Worker, Owner] | None:
    """Give the worker of a run whose grid is gone, and who it is; None where there is none."""
    with suppress(OSError, ValueError):
        if owner := orphan(folder):
            return Worker(folder, owner.token, owner.pid, Pulse(folder, heard=True), None), owner
    return None


def _descendants(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def end_marked(token: str) -> None:
    """Kill every process that bears this mark, and those that they start meanwhile."""
    until = time.monotonic() + PATIENCE
    while found := list(marked(token)):
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        if time.monotonic() > until:
            return  # held by the system, in a device's driver say
        time.sleep(0.01)


def death(code: int) -> str:
    """Say how a worker died."""
    if code == UNSEEN:
        return "the worker that an earlier grid had left went away"
    if code == ExitCode.OK:
        return "the worker ended with code 0 and left the run unfinished"
    if code >= 0:
        return f"the worker ended with code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return f"the worker was killed by {name}" + (" (memory?)" if name == "SIGKILL" else "")
    return f"the worker was killed by signal {-code}"
