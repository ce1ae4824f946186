"""Turns SIGTERM and SIGINT into a stop at the next safe place."""

from __future__ import annotations

import os
import signal
from types import FrameType

HEARD = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):  # noqa: N818 - not an error
    """The run was asked to stop, and stands where a checkpoint can be taken."""


class Stop:
    """Whether this process was asked to stop."""

    def __init__(self) -> None:
        """Begin unasked."""
        self.requested = False

    def listen(self) -> None:
        """From now on the signals only ask this process, and end those that it forks.

        An environment ends a child of its own by SIGTERM and waits for it.
        """
        for number in HEARD:
            signal.signal(number, self._ask)
        os.register_at_fork(after_in_child=end_by_signals)

    def check(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self.requested:
            raise Interrupted

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True


def end_by_signals() -> None:
    """Let signals do to this process what they do by themselves."""
    for number in HEARD:
        signal.signal(number, signal.SIG_DFL)
