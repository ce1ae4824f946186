"""How a process ends: the exit codes of the command line and of a run's worker."""

import os
import sys
from contextlib import suppress
from enum import IntEnum
from typing import NoReturn

__all__ = ["ExitCode", "leave"]


class ExitCode(IntEnum):
    """What an exit code means. Of a worker any other code is worth another attempt."""

    OK = 0
    """All is done that was asked for."""
    FAILED = 1
    """It failed and said why; the same again would fail again."""
    USAGE = 2
    """The user's mistake, told in one line."""
    SUPERSEDED = 3
    """A worker: a newer attempt has taken the run over."""
    GPU_FULL = 75
    """A worker: it failed for its GPU had no room; alone it may find enough."""
    UNWRITABLE = 74
    """A worker: it failed and could not write why; there may be room later."""
    INTERRUPTED = 130
    """Stopped from outside; the same command goes on where it stopped."""


def leave(code: int) -> NoReturn:
    """End this process now, whatever threads an environment has left running in it.

    No handler of `atexit` runs: what must go with a process may not wait for one.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # an environment may have closed it
            stream.flush()
    os._exit(code)
