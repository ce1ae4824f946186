"""Turns SIGTERM and SIGINT into a stop at the next safe place."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from types import FrameType

HEARD = (signal.SIGTERM, signal.SIGINT)
PATIENCE = 5.0
"""Seconds for an update to end by itself once a stop was asked for."""


class Interrupted(Exception):  # noqa: N818 - not an error
    """The run was asked to stop, and stands where a checkpoint can be taken."""


class Abandoned(Interrupted):
    """The run was asked to stop within a long update: the checkpoint before it is gone on from."""


class Stop:
    """Whether this process was asked to stop."""

    def __init__(self) -> None:
        """Begin unasked."""
        self.asked: float | None = None
        """Time (monotonic) of the first signal."""

    def listen(self) -> None:
        """From now on the signals only ask this process, and end those that it forks.

        An environment ends a child of its own by SIGTERM and waits for it.
        """
        for number in HEARD:
            signal.signal(number, self._ask)
        os.register_at_fork(after_in_child=end_by_signals)

    def check(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self.asked is not None:
            raise Interrupted

    def check_within_update(self) -> None:
        """Raise `Abandoned` if a stop was asked for and the update does not end in time."""
        if self.asked is not None and time.monotonic() - self.asked > PATIENCE:
            raise Abandoned

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked is None:
            self.asked = time.monotonic()
            with suppress(OSError):  # not `print`, which the signal may have interrupted
                os.write(2, b"marlbench: stopping at the next safe place\n")


def end_by_signals() -> None:
    """Let signals do to this process what they do by themselves."""
    for number in HEARD:
        signal.signal(number, signal.SIG_DFL)
