"""Keeps games from being launched all at once on one machine."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from pathlib import Path


def wait_for_turn(spacing: float) -> None:
    """Return `spacing` seconds after the last return in any process of this user, at least."""
    if spacing <= 0:
        return
    with ledger().open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go of when the file is closed, or the process dies
        since = time.time() - last_turn(file.fileno())
        if 0 <= since < spacing:
            time.sleep(spacing - since)
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), repr(time.time()).encode())


def ledger() -> Path:
    """Give the file that says when the last launch was."""
    return Path(tempfile.gettempdir()) / f"marlbench-starcraft-launches-{os.getuid()}"


def last_turn(descriptor: int) -> float:
    """Give the time that the ledger names, or 0."""
    try:
        return float(os.pread(descriptor, 64, 0))
    except ValueError:
        return 0.0
