"""Who plays a run: the process that took its newest attempt, and whether that still lives."""

from __future__ import annotations

import json
import os
import socket
import uuid
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

WORKER = "MARLBENCH_WORKER"
"""Environment variable that marks a worker and all that it starts: `<grid's pid>:<uuid>:<folder>`.

A worker that was started by hand has none.
"""


@cache
def place() -> str:
    """Name the host, its boot and the namespace of processes: where pids and clocks are one."""
    said = [socket.gethostname()]
    with suppress(OSError):
        said.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        said.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(said)


@dataclass(frozen=True)
class Owner:
    """A process that plays a run."""

    pid: int
    place: str
    """Where its pid means something."""
    token: str = ""
    """What its grid marked it with (`WORKER`)."""
    gpu: str = ""
    """The GPU that its grid gave it."""

    @classmethod
    def this_process(cls) -> Owner:
        """Give the owner that this process is."""
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return cls(os.getpid(), place(), os.environ.get(WORKER, ""), gpu)

    def write(self, handle: int) -> None:
        """Write it into an attempt's open file."""
        os.write(handle, json.dumps(asdict(self)).encode())

    def of(self, folder: Path) -> bool:
        """Say whether its mark is one that a grid gave for the run in this folder.

        So a made-up or copied folder speaks of no process that plays another run.
        """
        return self.token.endswith(f":{_spelt(folder)}")

    def gone(self) -> bool:
        """Say whether it is known to be dead; never of one whose pid means nothing here."""
        return self.place == place() and not _running(self.pid)

    def orphaned(self) -> bool:
        """Say whether it lives here and the grid that started it does not.

        The mark in its environment is its own, so that a made-up folder names no other process.
        """
        if self.place != place() or not self.token or _mark(self.pid) != self.token:
            return False
        with suppress(psutil.Error):
            return _running(self.pid) and psutil.Process(self.pid).ppid() != self._grid()
        return False

    def _grid(self) -> int:
        """Give the pid of the grid that started it."""
        pid = self.token.partition(":")[0]
        return int(pid) if pid.isdigit() else 0


def new_token(folder: Path) -> str:
    """Give the mark of the next worker of a run that this process starts."""
    return f"{os.getpid()}:{uuid.uuid4().hex}:{_spelt(folder)}"


def _spelt(folder: Path) -> str:
    return f"{zlib.crc32(os.fsencode(os.path.realpath(folder))):08x}"


def parse(text: bytes) -> Owner | None:
    """Read an attempt's file; None for what says no owner, as those of older versions."""
    try:
        said: Any = json.loads(text)
        owner = Owner(**said)
    except (TypeError, ValueError, RecursionError):
        return None
    names = (owner.place, owner.token, owner.gpu)
    whole = type(owner.pid) is int and owner.pid > 0 and all(isinstance(n, str) for n in names)
    return owner if whole else None


def marked(token: str) -> Iterator[psutil.Process]:
    """Give all processes of this user that bear the mark, whatever session they went to."""
    for process in psutil.process_iter():
        if token and process.pid != os.getpid() and _mark(process.pid) == token:
            yield process


def _running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False


def _mark(pid: int) -> str | None:
    """Give the mark in a process' environment; None where it has none, or is not ours to see."""
    with suppress(psutil.Error, OSError, ValueError):
        return psutil.Process(pid).environ().get(WORKER)
    return None
