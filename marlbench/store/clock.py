"""The one clock of a run: seconds of start-up, of training and of evaluation; signs of life."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from marlbench.store.owner import place

Phase = Literal["startup", "training", "evaluation"]
PHASES: tuple[Phase, ...] = ("startup", "training", "evaluation")


class Clock:
    """Every second of a run belongs to one phase; it begins with the start-up."""

    def __init__(self) -> None:
        """Begin the start-up of an attempt."""
        self._spent: dict[Phase, float] = dict.fromkeys(PHASES, 0.0)
        self._phase: Phase = "startup"
        self._since = time.monotonic()

    def enter(self, phase: Phase) -> None:
        """Begin a phase, which ends the one before."""
        now = time.monotonic()
        self._spent[self._phase] += now - self._since
        self._phase, self._since = phase, now

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Count what is inside to a phase, then go on with the one before."""
        before = self._phase
        self.enter(phase)
        try:
            yield
        finally:
            self.enter(before)

    def add(self, spent: Mapping[str, float]) -> None:
        """Add what earlier attempts spent, up to the checkpoint that this one goes on from."""
        for phase in PHASES:
            self._spent[phase] += spent.get(phase, 0.0)

    def seconds(self) -> dict[str, float]:
        """Give the seconds of every phase so far."""
        self.enter(self._phase)
        return {str(phase): spent for phase, spent in self._spent.items()}

    def total(self) -> float:
        """Give the seconds of all phases."""
        return sum(self.seconds().values())


def sign_of_life() -> dict[str, Any]:
    """Give this moment by a clock that nobody sets, and where that clock runs."""
    return {"place": place(), "monotonic": round(time.monotonic(), 2)}


def silence(progress: Mapping[str, Any]) -> float | None:
    """Give the seconds since a sign of life; None for one that another clock stamped."""
    if progress.get("place") != place() or progress.get("monotonic") is None:
        return None
    return max(0.0, time.monotonic() - float(progress["monotonic"]))
