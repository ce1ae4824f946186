"""Turns SIGTERM and SIGINT into a stop at the next safe place."""

from __future__ import annotations

import signal
from types import FrameType


class Interrupted(Exception):  # noqa: N818 - not an error
    """The run was asked to stop, and stands where a checkpoint can be taken."""


class Stop:
    """Whether this process was asked to stop."""

    def __init__(self) -> None:
        """Begin unasked."""
        self.requested = False

    def listen(self) -> None:
        """From now on the signals only ask."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def check(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self.requested:
            raise Interrupted

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
