"""One attempt at a run: the only writer of its folder, for as long as no newer one has begun."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from marlbench.store import files
from marlbench.store.clock import Clock, sign_of_life
from marlbench.store.folder import (
    ATTEMPTS,
    DONE,
    EVALUATIONS,
    EVENTS,
    FAILED,
    PICTURES,
    PROGRESS,
    PROVENANCE,
    TRAINING,
    picture_file,
)
from marlbench.store.owner import Owner, parse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METRICS = (EVALUATIONS, TRAINING)
"""The files whose rows are there exactly once, whatever was killed when."""


class Superseded(RuntimeError):  # noqa: N818 - not an error of this worker's making
    """A newer attempt at this run has begun; this one must stop without writing."""


class Journal:
    """The right to write into a run's folder, and the verbs to do it with."""

    def __init__(self, folder: Path) -> None:
        """Begin the next attempt: from now on every older one is refused."""
        self.folder = folder
        self.attempt, self._claim = _claim(folder / ATTEMPTS)
        self._pid = os.getpid()
        _held.add(self)
        self.clock = Clock()
        files.drop_torn_row(folder / EVENTS)
        (folder / FAILED).unlink(missing_ok=True)

    def append_evaluation(self, row: dict[str, Any]) -> None:
        """Append a row to `eval.jsonl`, durably."""
        self.require_newest()
        files.append_row(self.folder / EVALUATIONS, row, sync=True)

    def write_picture(self, name: str, step: int, picture: NDArray[np.uint8]) -> None:
        """Replace the picture (height, width, 3) of this name and evaluation in `pictures/`."""
        self.require_newest()
        path = picture_file(self.folder, name, step)
        files.own_folder(path.parent)
        files.replace_png(path, picture)

    def append_update(self, row: dict[str, Any]) -> None:
        """Append a row to `train.jsonl`."""
        self.require_newest()
        files.append_row(self.folder / TRAINING, row)

    def append_event(self, event: str, **facts: Any) -> None:
        """Append a row to `events.jsonl`."""
        self.require_newest()
        row = {"event": event, "attempt": self.attempt, **facts, "wall": self.wall()}
        files.append_row(self.folder / EVENTS, row, sync=True)

    def write_progress(self, document: dict[str, Any]) -> None:
        """Replace `progress.json`."""
        self.require_newest()
        now = {"attempt": self.attempt, "pid": os.getpid(), "time": time.time()}
        files.replace_json(self.folder / PROGRESS, document | now | sign_of_life(), durable=False)

    def write_provenance(self, document: dict[str, Any]) -> None:
        """Replace `provenance.json` by that of this attempt; what older ones ran on is kept."""
        self.require_newest()
        older = files.read_json(self.folder / PROVENANCE) or {}
        past = [*older.pop("earlier_attempts", []), older] if older else []
        document = document | {"attempt": self.attempt, "earlier_attempts": past}
        files.replace_json(self.folder / PROVENANCE, document)

    def write_done(self, document: dict[str, Any]) -> None:
        """Write `DONE`, with what the metric files are from now on."""
        self.append_event("done", **document)
        files.replace_json(self.folder / DONE, document | {"files": self.extents()})

    def write_failed(self, reason: str, traceback: str) -> None:
        """Write `FAILED`: trying again unchanged is no use."""
        self.append_event("failed", reason=reason)
        files.replace_json(self.folder / FAILED, {"reason": reason, "traceback": traceback})

    def write_diverged(self, env_steps: int, number: str) -> None:
        """Write `FAILED` for a run that ended by diverging: a state that the report counts."""
        facts = {"env_steps": env_steps, "number": number}
        self.append_event("diverged", **facts)
        reason = f"diverged at {env_steps:,} env steps: {number}"
        document = {"reason": reason, "traceback": "", "diverged": facts}
        files.replace_json(self.folder / FAILED, document)

    def extents(self) -> dict[str, tuple[int, int]]:
        """Give bytes and CRC-32 of each metric file, all of it on the disk."""
        return {name: files.extent(self.folder / name) for name in METRICS}

    def reaches(self, extents: Mapping[str, tuple[int, int]]) -> bool:
        """Say whether the metric files still begin as `extents` says."""
        return all(files.begins_with(self.folder / name, *extents[name]) for name in METRICS)

    def rewind(self, extents: Mapping[str, tuple[int, int]] | None) -> None:
        """Cut the metric files to `extents`; None: to nothing."""
        self.require_newest()
        for name in METRICS:
            files.truncate(self.folder / name, extents[name][0] if extents else 0)

    def drop_evaluation(self, step: int) -> None:
        """Cut the newest evaluation, of this point, and remove its pictures."""
        self.require_newest()
        path = self.folder / EVALUATIONS
        rows = (files.content(path) or b"").splitlines(keepends=True)
        files.truncate(path, sum(map(len, rows[:-1])))
        for picture in (self.folder / PICTURES).glob(f"*-{step:09d}.png"):
            picture.unlink()

    def require_newest(self) -> None:
        """Raise `Superseded` if a newer attempt has begun, or this is a child of the worker."""
        if os.getpid() != self._pid:
            raise Superseded(f"{self.folder}: process {self._pid} plays it, not its forked child")
        if (self.folder / ATTEMPTS / str(self.attempt + 1)).exists():
            raise Superseded(f"{self.folder}: attempt {self.attempt} was superseded")

    def wall(self) -> dict[str, Any]:
        """Give attempt, time of day and seconds spent on the run: what may differ between runs."""
        phases = {phase: round(seconds, 3) for phase, seconds in self.clock.seconds().items()}
        seconds = round(sum(phases.values()), 3)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return {"attempt": self.attempt, "time": now, "seconds": seconds, **phases}

    def close(self) -> None:
        """Give the folder up."""
        if self in _held:
            _held.discard(self)
            os.close(self._claim)


_held: WeakSet[Journal] = WeakSet()
"""The journals of this process."""


def _leave_to_parent() -> None:
    """Let go, in a forked child, of locks that would otherwise outlive the worker."""
    for journal in list(_held):
        journal.close()


os.register_at_fork(after_in_child=_leave_to_parent)


def alive(folder: Path) -> bool:
    """Say whether the newest attempt's process lives, as far as this machine can tell.

    A worker holds a lock on its attempt's file, which the system drops when the worker dies, and
    all that it has forked and not told to let go. So a lock of a dead owner counts for nothing.
    """
    return _held_by(folder)[0]


def orphan(folder: Path) -> Owner | None:
    """Give the worker that plays a run although the grid that started it is gone, or None."""
    held, owner = _held_by(folder)
    if held and owner is not None and owner.of(folder) and owner.orphaned():
        return owner
    return None


def newest_owner(folder: Path) -> Owner | None:
    """Give who took the newest attempt, dead or alive; None where nothing says so."""
    return _held_by(folder)[1]


def _held_by(folder: Path) -> tuple[bool, Owner | None]:
    """Give whether the newest attempt's process lives, and which it is, if the file says so."""
    if (newest := newest_attempt(folder)) is None:
        return False, None
    with files.opened(newest) as file:
        owner = parse(file.read())
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return owner is None or not owner.gone(), owner
    return False, owner


def newest_attempt(folder: Path) -> Path | None:
    """Give the file of the newest attempt, made as it began; None before the first."""
    numbers = _numbers(folder / ATTEMPTS)
    return folder / ATTEMPTS / str(max(numbers)) if numbers else None


def attempted(folder: Path) -> bool:
    """Say whether any worker ever began this run."""
    return bool(_numbers(folder / ATTEMPTS))


def _claim(attempts: Path) -> tuple[int, int]:
    """Take the next attempt number, which no two workers can both do, and lock its file."""
    files.own_folder(attempts)
    while True:
        number = max(_numbers(attempts), default=0) + 1
        try:
            file = os.open(attempts / str(number), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        except FileExistsError:
            continue  # another worker was quicker
        fcntl.flock(file, fcntl.LOCK_EX)
        Owner.this_process().write(file)
        files.sync_folder(attempts)
        return number, file


def _numbers(attempts: Path) -> list[int]:
    if not attempts.is_dir():
        return []
    return [int(path.name) for path in attempts.iterdir() if path.name.isdigit()]
