"""What goes wrong within a worker: asked for by SIGUSR1, wherever its main thread is just then.

The file of the process' number in `$MARLBENCH_CHAOS` names the fault.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

__all__ = ["ASKED", "FAULTS", "listen"]

ASKED = "MARLBENCH_CHAOS"
"""Environment variable: the folder in which faults are asked for."""
LONG = 3600.0
"""Seconds for which what hangs hangs."""


def hang() -> None:
    """Be busy with one call, as an environment that waits for what never comes."""
    while True:
        time.sleep(LONG)


def leave_a_child() -> None:
    """Die and leave a child that holds what the worker held, in a session of its own."""
    if ctypes.CDLL(None).fork() == 0:  # as a simulator does, past Python's own hooks
        os.setsid()
        time.sleep(LONG)
    os._exit(9)


def print_a_lot() -> None:
    """Print more than a log may hold."""
    for _ in range(200):
        print("x" * 99_999, flush=True)


FAULTS: dict[str, Callable[[], None]] = {
    **{f"os._exit({code})": partial(os._exit, code) for code in (0, 1, 2, 3, 74, 130)},
    "sys.exit(0)": partial(sys.exit, 0),
    "leaves a child": leave_a_child,
    "hangs": hang,
    "prints 20 MB": print_a_lot,
}


def listen() -> None:
    """From now on SIGUSR1 is a fault."""
    signal.signal(signal.SIGUSR1, _misbehave)


def _misbehave(_number: int, _frame: FrameType | None) -> None:
    FAULTS[(Path(os.environ[ASKED]) / str(os.getpid())).read_text()]()
