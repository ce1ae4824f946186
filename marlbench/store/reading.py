"""Reads what runs wrote, while they write it."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from marlbench.config import RunSpec
from marlbench.metrics import Metric, recorded
from marlbench.store import checked, files
from marlbench.store.elsewhere import lives_elsewhere
from marlbench.store.folder import (
    ATTEMPTS,
    BY_HAND,
    DONE,
    EVALUATIONS,
    EVENTS,
    EXCLUDED,
    FAILED,
    PROGRESS,
    PROVENANCE,
    SPEC,
    TRAINING,
    place_of,
    read_spec,
)
from marlbench.store.rows import todays, without_superseded
from marlbench.store.writing import alive, attempted

Status = Literal["done", "failed", "diverged", "running", "unfinished", "waiting"]

AWAY = "move it out of the results folder"


@dataclass(frozen=True)
class RunRecord:
    """One run's folder as it stood when it was read."""

    folder: Path
    spec: RunSpec
    status: Status
    progress: dict[str, Any] | None
    failure: dict[str, Any] | None
    provenance: dict[str, Any] | None
    excluded: dict[str, Any] | None = None  # `why` no report counts it, and since what `time`

    def evaluations(self) -> list[dict[str, Any]]:
        """Give the curve's rows of `eval.jsonl`, those of older runs in today's form."""
        return [row for row in self._evaluated if row.get("kind", "curve") == "curve"]

    def final(self) -> dict[str, Any] | None:
        """Give the row of the final evaluation; None before the end, and under protocol 1."""
        return next((row for row in self._evaluated if row.get("kind") == "final"), None)

    def final_of_best(self) -> dict[str, Any] | None:
        """Give the row of the best kept policy's final evaluation; None where none was asked."""
        return next((r for r in self._evaluated if r.get("kind") == "final of best"), None)

    def newest(self) -> dict[str, Any] | None:
        """Give the final evaluation's row, before the end the curve's last; None before any."""
        return self.final() or next(iter(self.evaluations()[::-1]), None)

    def by_hand(self) -> list[dict[str, Any]]:
        """Give the rows that `marlbench evaluate` kept, which are no part of the curve."""
        return files.read_rows(self.folder / BY_HAND)

    @cached_property
    def _evaluated(self) -> list[dict[str, Any]]:
        rows = [todays(row) for row in files.read_rows(self.folder / EVALUATIONS)]
        checked.check_rows(checked.Evaluation, rows, EVALUATIONS)
        return without_superseded(rows, _place)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What its episodes are scored by, the headline first, as its environment declared it."""
        return recorded((self.provenance or {}).get("env") or {})

    def training(self) -> list[dict[str, Any]]:
        """Give the rows of `train.jsonl`; raises ValueError for a damaged one."""
        _require_whole(self.folder, TRAINING)
        rows = files.read_rows(self.folder / TRAINING)
        checked.check_rows(checked.Update, rows, TRAINING)
        return without_superseded(rows, lambda row: row["update"])

    def events(self) -> list[dict[str, Any]]:
        """Give the rows of `events.jsonl`."""
        return self._events

    @cached_property
    def _events(self) -> list[dict[str, Any]]:
        rows = files.read_rows(self.folder / EVENTS)
        checked.check_rows(checked.Event, rows, EVENTS)
        return rows

    def seconds(self) -> float | None:
        """Give the seconds that were spent on it, all attempts together, as far as it tells."""
        newest = max((row for row in self._evaluated if row.get("wall")), key=_place, default=None)
        told = [float(newest["wall"]["seconds"])] if newest else []
        told += [float(spent)] if (spent := (self.progress or {}).get("elapsed_s")) else []
        return max(told, default=None)

    def damages(self) -> list[str]:
        """Say which checkpoints its newest resumed attempt passed over, and why."""
        resumed = [row for row in self.events() if row["event"] == "resumed"]
        return list(resumed[-1].get("damaged", ())) if resumed else []

    def crashes(self) -> Counter[str]:
        """Count the crashes of the environment in `training` and in `evaluation`.

        Those behind the place from which a killed run went on were, or will be, met once more.
        """
        crashes: list[dict[str, Any]] = []
        for row in self.events():
            if row.get("event") == "env_crash":
                crashes.append(row)
            elif row.get("event") == "resumed":
                begun = row.get("env_steps", 0)
                crashes = [crash for crash in crashes if crash.get("env_steps", 0) <= begun]
        return Counter(crash.get("during", "training") for crash in crashes)

    def remarks(self) -> list[str]:
        """Say what its numbers do not show: episodes that were cut, seeds that do not decide."""
        rows, said = self.evaluations(), []
        if cut := sum(row.get("cut") or 0 for row in rows):
            limit = (self.provenance or {}).get("env", {}).get("episode_limit")
            played = sum(row["episodes"] for row in rows)
            said.append(
                f"{cut} of {played} evaluation episodes cut at {limit} steps, where they would "
                f"have gone on (the suite's limit: marlbench show {self.spec.suite})"
            )
        if any(row.get("event") == "not_reproducible" for row in self.events()):
            said.append("not reproducible: equal seeds do not begin equal episodes")
        return said


def _place(row: dict[str, Any]) -> tuple[int, int]:
    """Give where an evaluation stands in a run: final ones come last."""
    kinds = ("curve", "final", "final of best")
    kind = row.get("kind", "curve")
    return kinds.index(kind) if kind in kinds else len(kinds), row["step"]


def runs(results: Path) -> list[RunRecord]:
    """Give every run below a results folder, in the order of suite, task, label and seed.

    A folder that is not where its settings belong is left out: moved aside, it would count twice.
    """
    return sorted(each_run(results), key=_order)


def each_run(results: Path) -> Iterator[RunRecord]:
    """Give the runs of `runs` one by one, in no order, so that not all have to be in memory."""
    places = results.glob("[!.]*/*/*/seed_*")  # others' hidden folders come and go
    found = (_record(results, folder) for folder in places if _begun(folder))
    yield from (record for record in found if record)


def _begun(folder: Path) -> bool:
    """Say whether a folder is a run's, though its document be missing."""
    names = (SPEC, ATTEMPTS, EVALUATIONS, EVENTS, DONE)
    try:
        return any(os.path.lexists(folder / name) for name in names)
    except OSError:
        return True


def read(folder: Path) -> RunRecord:
    """Give the run in this folder, the one way to it; raises ValueError saying what is damaged.

    What was read is checked and kept, so that nobody meets a damaged row later; `training` alone,
    which is long, is read when it is asked for.
    """
    try:
        spec = read_spec(folder)
        progress = _progress(folder)
        failure = _document(folder, FAILED, checked.Failure)
        provenance = _document(folder, PROVENANCE, checked.Provenance)
        checked.check_metrics(provenance or {}, PROVENANCE)
        status = _status(folder, progress, provenance, failure)
        excluded = files.read_json(folder / EXCLUDED)
        record = RunRecord(folder, spec, status, progress, failure, provenance, excluded)
        record.evaluations()
        record.events()
        _require_whole(folder, EVALUATIONS)
    except OSError as error:
        name = Path(str(error.filename or folder)).name
        raise ValueError(f"{name}: {error.strerror}") from error
    return record


def _document(folder: Path, name: str, kind: Any) -> dict[str, Any] | None:
    """Give a document that is as its kind says, None if there is none."""
    document = files.read_json(folder / name)
    if document is not None:
        checked.check(kind, document, name)
    return document


def _progress(folder: Path) -> dict[str, Any] | None:
    """Give `progress.json`; it is no result and not durable: what a power cut tore is none."""
    try:
        return _document(folder, PROGRESS, checked.Progress)
    except ValueError:
        return None


def _require_whole(folder: Path, name: str) -> None:
    """Raise ValueError where a run that is done has not the rows that it ended with."""
    done = _document(folder, DONE, checked.Done) or {}
    size, crc = done.get("files", {}).get(name, (0, 0))
    if not files.begins_with(folder / name, size, crc):
        raise ValueError(f"{name} is not as it was when the run was done")


def _record(results: Path, folder: Path) -> RunRecord | None:
    """Read a run, warning of one that is damaged, misplaced or of another version."""
    try:
        record = read(folder)
        place = place_of(results, folder, record.spec)
    except ValueError as error:
        leave_out(f"{folder} is left out, it cannot be read: {error}; {AWAY} to begin anew")
        return None
    if folder != place:
        leave_out(f"{folder} is left out, its settings belong in {place}: {AWAY}, or back")
        return None
    return record


def leave_out(said: str) -> None:
    """Warn of what is left out, in one line that can be shown."""
    warnings.warn(" ".join(files.printable(said).split()), stacklevel=4)


def _status(
    folder: Path,
    progress: dict[str, Any] | None,
    provenance: dict[str, Any] | None,
    failure: dict[str, Any] | None,
) -> Status:
    if (folder / DONE).exists():
        return "done"
    if alive(folder):
        return "running"
    if (folder / FAILED).exists():  # the next attempt begins by taking it away
        return "diverged" if "diverged" in (failure or {}) else "failed"
    if lives_elsewhere(folder, progress, provenance):
        return "running"
    return "unfinished" if attempted(folder) else "waiting"


def _order(record: RunRecord) -> list[Any]:
    """Sort `seed_10` behind `seed_9` and `5_vs_5` before `10_vs_11`."""
    spec = record.spec
    return [*map(_natural, (spec.suite, spec.row, spec.label)), spec.seed]


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
