"""Whether a worker still gives signs of life, and how long it may be silent."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from marlbench.config import SILENT_MINUTES
from marlbench.store.files import read_json
from marlbench.store.folder import PROGRESS, read_spec

__all__ = ["Pulse"]

LEAP = 5.0
"""Seconds that count at most between two looks: a machine that slept has not been listening."""
WORTH_ASKING = 0.5
"""Seconds of silence before which no limit is looked up."""


@dataclass
class Pulse:
    """Counts the seconds in which a run's `progress.json` has not changed.

    They are those of this process' own clock, in which it was awake: neither a clock that is set
    nor a machine that was suspended makes a worker silent.
    """

    folder: Path
    heard: bool = False
    """Whether this worker has ever given one: before that it starts, with all that it plays."""
    silent: float = 0.0
    """Seconds without a sign of life."""
    _looked: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Begin with what an earlier worker left."""
        self._mark = self._changed()

    def feel(self) -> None:
        """Look again."""
        now, mark = time.monotonic(), self._changed()
        if mark != self._mark:
            self.heard, self.silent = True, 0.0
        else:
            self.silent += min(now - self._looked, LEAP)
        self._mark, self._looked = mark, now

    def too_long(self) -> bool:
        """Say whether it has been silent beyond its limit."""
        return self.silent > WORTH_ASKING and self.silent > 60 * self.limit()

    def limit(self) -> float:
        """Give the minutes that it may be silent: the user's, else the suite's.

        A suite speaks of its steps, not of how long it takes to start: that may always take 30.
        """
        try:
            said = (read_json(self.folder / PROGRESS) or {}).get("silent_minutes")
            asked = read_spec(self.folder).run.silent_minutes
        except (OSError, ValueError):
            return SILENT_MINUTES
        if asked is not None:
            return asked
        suites = float(said or SILENT_MINUTES)
        return suites if self.heard else max(suites, SILENT_MINUTES)

    def _changed(self) -> tuple[int, int] | None:
        try:
            facts = (self.folder / PROGRESS).stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_ino
