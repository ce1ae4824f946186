"""The state of every run of a grid, from the grid's events and the runs' own `progress.json`."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from marlbench.config import RunSpec

__all__ = ["Board", "Row", "count", "duration", "score", "stop_heard"]

State = Literal["waiting", "running", "retrying", "done", "failed"]
MINUTE, HOUR, DAY = 60, 3600, 86400
EARLIER = {
    **dict.fromkeys(("eta_s", "steps_per_s", "replay_gib", "copies_gib", "free_gib")),
    "phase": "starting",
}
"""What is not known of a run whose `progress.json` an earlier worker wrote."""


@dataclass
class Row:
    """One run as it stands."""

    folder: Path
    spec: RunSpec
    state: State = "waiting"
    attempt: int = 0
    reason: str = ""
    """Why it failed or is tried again."""
    progress: dict[str, Any] = field(default_factory=dict)
    """What its `progress.json` last said."""
    began: float = 0.0
    """Unix time at which its worker was started."""
    took: float | None = None
    """Seconds from there to its end; None: not yet, or another process played it."""
    _version: tuple[int, int] | None = None
    """Of the `progress.json` that was read last: it is replaced, never written into."""

    @property
    def name(self) -> str:
        """Give what tells it from other runs of a suite."""
        return f"{self.spec.row} {self.spec.label} seed {self.spec.seed}"

    @property
    def steps(self) -> int:
        """Give the env steps played."""
        return self.spec.run.steps if self.state == "done" else self.progress.get("env_steps", 0)

    @property
    def eta(self) -> float | None:
        """Give the seconds to its end, once its first updates have been timed."""
        seconds: float | None = self.progress.get("eta_s")
        return seconds if self.state == "running" else None

    def lasts(self) -> float | None:
        """Give the seconds of the whole run, all its attempts together, known or foreseen."""
        spent: float | None = self.progress.get("elapsed_s")
        if self.state == "done" or spent is None or self.eta is None:
            return spent if self.state == "done" else None
        return spent + self.eta

    @property
    def startup(self) -> float:
        """Give the seconds that its attempts took to start, as far as it has told."""
        return float(self.progress.get("startup_s") or 0.0)

    def left(self, typical: float, startup: float) -> float:
        """Give the seconds to its end, by its own word or by what such runs take.

        `typical` is the whole of one, `startup` the part of it that every attempt takes again.
        """
        if self.eta is not None:
            return self.eta
        to_play = 1.0 - min(1.0, self.steps / self.spec.run.steps)
        whole = startup + max(0.0, typical - startup) * to_play
        return max(0.0, whole - (time.time() - self.began if self.state == "running" else 0.0))

    def read(self) -> None:
        """Look at its `progress.json` again, and read it if it is another."""
        file = self.folder / "progress.json"
        with suppress(OSError, ValueError):
            facts = file.stat()
            version = facts.st_mtime_ns, facts.st_ino
            if version != self._version:
                self.progress, self._version = json.loads(file.read_bytes()), version
        if self.progress.get("time", 0.0) < self.began:
            self.progress |= EARLIER


class Board:
    """All runs of a grid in the order in which they start."""

    def __init__(self, runs: Iterable[tuple[Path, RunSpec]], slots: int) -> None:
        self.rows = {folder: Row(folder, spec) for folder, spec in runs}
        self.slots = slots
        self.began = time.time()
        for row in self.rows.values():
            row.read()  # how far an earlier grid got
            row.progress |= EARLIER

    def started(self, folder: Path, attempt: int) -> Row:
        """Note that a worker begins."""
        row = self.rows[folder]
        row.state, row.attempt, row.began = "running", attempt, time.time()
        row.read()
        return row

    def retrying(self, folder: Path, reason: str) -> Row:
        """Note that a worker died and another will follow."""
        row = self.rows[folder]
        row.state, row.reason = "retrying", reason
        return row

    def finished(self, folder: Path, failure: str | None) -> Row:
        """Note the end of a run."""
        row = self.rows[folder]
        row.read()
        row.state, row.reason = ("failed", failure) if failure else ("done", "")
        row.took = time.time() - row.began if row.began else None
        return row

    def refresh(self) -> None:
        """Look at the files of the runs that are being played."""
        for row in self.rows.values():
            if row.state == "running":
                row.read()

    def number(self, state: State) -> int:
        """Count the runs in a state."""
        return sum(row.state == state for row in self.rows.values())

    def eta(self) -> float | None:
        """Estimate the seconds to the end of all: None until a run's first updates were timed.

        Runs of which nothing is known yet are taken to last as long as those of their label and
        task that are known, or else of their label, or else of any. Each begins as a slot falls
        free.
        """
        still = [row for row in self.rows.values() if row.state not in ("done", "failed")]
        known = [row for row in self.rows.values() if row.lasts() is not None]
        if not still or not known:
            return None
        running = [row for row in still if row.state == "running"]
        means = _means(known)
        free = [row.left(*_typical(row, means)) for row in running]
        heapify(free)  # when each slot falls free
        for row in (row for row in still if row.state != "running"):
            begins = heappop(free) if len(free) >= self.slots else 0.0
            heappush(free, begins + row.left(*_typical(row, means)))
        return max(free)


def _likeness(row: Row) -> tuple[tuple[str, ...], ...]:
    """Give what a run is of, the narrowest first: runs of its label and task, its label, any."""
    label = row.spec.label
    return (label, row.spec.row), (label,), ()


def _means(known: Iterable[Row]) -> dict[tuple[str, ...], tuple[float, float]]:
    """Give mean length and start-up in seconds of the known runs of every likeness."""
    alike: defaultdict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    for row in known:
        for likeness in _likeness(row):
            alike[likeness].append((row.lasts() or 0.0, row.startup))
    return {
        likeness: (fmean(lasts for lasts, _ in told), fmean(startup for _, startup in told))
        for likeness, told in alike.items()
    }


def _typical(row: Row, means: Mapping[tuple[str, ...], tuple[float, float]]) -> tuple[float, float]:
    """Give the mean length and start-up in seconds of the runs most like this one."""
    return next(means[likeness] for likeness in _likeness(row) if likeness in means)


def duration(seconds: float | None) -> str:
    """Say a duration in at most two units.

    >>> duration(7.4), duration(187), duration(7500), duration(200_000), duration(None)
    ('7 s', '3 min', '2 h 05 min', '2 d 7 h', '')
    """
    if seconds is None:
        return ""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < DAY:
        return f"{seconds // HOUR:.0f} h {seconds % HOUR // MINUTE:02.0f} min"
    return f"{seconds // DAY:.0f} d {seconds % DAY // HOUR:.0f} h"


def count(number: float) -> str:
    """Say a number of env steps briefly.

    >>> count(600), count(12_345), count(123_456), count(400_000), count(2_500_000)
    ('600', '12.3k', '123k', '400k', '2.5M')
    """
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            scaled = number / size
            return f"{scaled:.{int(scaled < 100)}f}".removesuffix(".0") + unit
    return f"{number:.0f}"


def score(texts: Mapping[str, str]) -> str:
    """Say what an evaluation came to, from its metrics as they are shown.

    >>> score({"win": "25.0 %", "return": "3.20"}), score({})
    ('win 25.0 %, return 3.20', '')
    """
    return ", ".join(f"{name} {text}" for name, text in texts.items())


def stop_heard(workers: int, seconds: float) -> str:
    """Say that all is to stop, and how long that may take.

    >>> stop_heard(2, 20.0)
    'stopping: 2 runs take a last checkpoint, for 20 s at most; Ctrl-C kills'
    """
    whose = f"{workers} run{'s' if workers != 1 else ''} take{'s' if workers == 1 else ''}"
    return f"stopping: {whose} a last checkpoint, for {duration(seconds)} at most; Ctrl-C kills"
