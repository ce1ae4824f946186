"""Follows runs that are played elsewhere: what a watcher is told comes from the runs' own files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from marlbench.executors import Outcome, Watcher
from marlbench.store import RunRecord
from marlbench.store.reading import read
from marlbench.store.writing import newest_attempt

__all__ = ["Follower"]


class Follower:
    """Tells a watcher which runs begin, end and fail."""

    def __init__(self, folders: Sequence[Path], watcher: Watcher, every: float = 2.0) -> None:
        """Begin before the runs do; `every` is the seconds between two looks at the files."""
        self.watcher = watcher
        self.open = {folder: _attempts(folder) for folder in folders}
        """The runs that have not ended, with the attempts that there were at them before."""
        self.failures: dict[Path, str] = {}
        """Why, for every run that failed."""
        self.interrupted = False
        """Whether something stopped a run."""
        self._told: dict[Path, int] = {}
        """The attempts that the watcher knows of; a worker of an older grid may be one."""
        self._every, self._due = every, 0.0

    def look(self) -> None:
        """Tell what has happened since, if it is time to look, and let the watcher look again."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self._every
            for folder in list(self.open):
                self._look_at(folder)
        self.watcher.tick()

    def settle(self, folders: Sequence[Path], reason: str, stopped: bool) -> None:
        """Look once more at runs that nobody plays any longer: those still open ended so.

        `stopped` says whether the same command goes on with them, or whether they failed.
        """
        for folder in folders:
            if folder in self.open:
                self._look_at(folder)
            if folder in self.open:
                self.interrupted |= stopped
                self._end(folder, reason, failed=not stopped)

    def outcome(self) -> Outcome:
        """Give how it ended."""
        return Outcome(self.failures, self.interrupted)

    def _look_at(self, folder: Path) -> None:
        attempts, before = _attempts(folder), self.open[folder]  # first: each takes FAILED away
        if (record := _record(folder)) is None:
            return
        played = attempts > before or folder in self._told
        if record.status == "done":
            self._end(folder, None)
        elif played and record.status in ("failed", "diverged"):
            said = (record.failure or {}).get("reason", "no reason was left")
            self._end(folder, str(said), failed=True)
        elif attempts > self._told.get(folder, before) or (
            not played and record.status == "running"
        ):
            self._told[folder] = attempts
            self.watcher.started(folder, max(1, attempts - before))

    def _end(self, folder: Path, reason: str | None, failed: bool = False) -> None:
        del self.open[folder]
        if failed and reason is not None:
            self.failures[folder] = reason
        self.watcher.finished(folder, reason)


def _record(folder: Path) -> RunRecord | None:
    """Give a run as it stands; None while it cannot be read."""
    try:
        return read(folder)
    except (OSError, ValueError):
        return None


def _attempts(folder: Path) -> int:
    """Give the number of a run's newest attempt."""
    newest = newest_attempt(folder)
    return int(newest.name) if newest else 0
