"""What a worker prints: a file of limited size, whose last lines say what killed it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from marlbench.store.files import opened

__all__ = ["LOG", "LONGEST", "keep_short", "last_words", "open_log"]

LOG = "worker.log"
"""What a worker wrote to its standard output and error."""
LONGEST = 8 << 20
"""Bytes from which a log is cut."""
KEPT = 1 << 20
"""Bytes of its end that stay then."""
WORDS = 1 << 16
"""Bytes of its end in which last words are looked for."""


def open_log(folder: Path) -> int:
    """Open a run's log to append to it; OSError where that cannot be, as for a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.open(folder / LOG, flags, 0o644)


def keep_short(folder: Path) -> None:
    """Cut a log that has grown too long to its end, while its writers go on.

    They append, so they follow the cut. What they print in that moment may be lost.
    """
    with suppress(OSError, ValueError):
        size = (folder / LOG).stat().st_size
        if size <= LONGEST:
            return
        end = _end(folder, KEPT).partition(b"\n")[2]
        handle = open_log(folder)
        try:
            os.ftruncate(handle, 0)
            cut = f"marlbench: {(size - len(end)) / 1e6:.0f} MB that stood here are gone, "
            os.write(handle, f"{cut}a log is {LONGEST >> 20} MiB at most\n".encode() + end)
        finally:
            os.close(handle)


def last_words(folder: Path) -> str | None:
    """Give the last line of a log: what killed the worker, if it could say so."""
    with suppress(OSError, ValueError):
        lines = _end(folder, WORDS).decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), None)
    return None


def _end(folder: Path, size: int) -> bytes:
    """Give at most so many of a log's last bytes."""
    with opened(folder / LOG) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - size))
        return file.read(size)
