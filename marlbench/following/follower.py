"""Reads what runs have written since the last look, and hands it on to one sink."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

from marlbench.errors import one_line
from marlbench.sinks import Followed, Sink, Writer
from marlbench.store import RunRecord, files, read
from marlbench.store.folder import deciding

__all__ = ["Follower", "Pursuit", "position_file"]

AT_ONCE = 200
"""Rows that are handed on before the place is written down."""
PATIENCE = (5.0, 300.0)
"""Seconds after which a sink that failed is tried again, doubled from the first to the last."""
OPEN = ("running", "waiting", "unfinished")


@dataclass
class Pursuit:
    """One run that is followed: its writer, if it is open, and how far it was handed on."""

    folder: Path
    sink: Sink
    writer: Writer | None = None
    place: dict[str, int] = field(default_factory=dict)
    """The newest update, and the newest point of every kind of evaluation, that the sink has."""
    not_before: float = 0.0
    wait: float = PATIENCE[0]
    ended: bool = False
    """Whether the sink has all of it, its end included."""

    def __post_init__(self) -> None:
        """Go on from where an earlier follower was."""
        with suppress(ValueError):
            self.place = dict(files.read_json(position_file(self.folder, self.sink.name)) or {})

    def look(self) -> None:
        """Hand on what is new, and the end; of a sink that fails try again later."""
        if self.ended or time.monotonic() < self.not_before:
            return
        try:
            record = read(self.folder)
            self._hand_on(record)
        except Exception as error:  # noqa: BLE001 - whatever a sink raises costs its own rows alone
            said = f"{self.sink.name}: {self.folder}: {one_line(error)}; again in {self.wait:.0f} s"
            print(said, file=sys.stderr, flush=True)
            self._drop()
            self.not_before = time.monotonic() + self.wait
            self.wait = min(2 * self.wait, PATIENCE[1])

    def _hand_on(self, record: RunRecord) -> None:
        rows = list(new_rows(record, self.place))
        if rows or record.status not in OPEN:
            self.writer = self.writer or self.sink.open(described(record))
        for number, (kind, at, row) in enumerate(rows, 1):
            assert self.writer is not None
            if values := numbers_of(kind, row):
                self.writer.log(values, int(row["env_steps"]), unix_time(row))
            self.place[kind] = at
            if number % AT_ONCE == 0:
                self._write_place()
        if record.status not in OPEN:
            self._close(record.status)
        if rows:
            self._write_place()
        self.wait = PATIENCE[0]

    def give_up(self) -> None:
        """Leave a run that goes on without being followed."""
        self._drop()
        self.ended = True

    def _drop(self) -> None:
        """Close the writer, which may have failed, so that another can go on with the run."""
        with suppress(Exception):
            if self.writer is not None:
                self.writer.close("unfinished")
        self.writer = None

    def _close(self, status: str) -> None:
        if self.writer is not None:
            self.writer.close(status)
        self.writer, self.ended = None, True

    def _write_place(self) -> None:
        path = position_file(self.folder, self.sink.name)
        files.own_folder(path.parent)
        files.replace_json(path, self.place, durable=False)


class Follower:
    """Follows runs for one sink until they have ended."""

    def __init__(self, sink: Sink, folders: Iterable[Path]) -> None:
        self.pursuits = [Pursuit(folder, sink) for folder in folders]

    def follow(self, ended: Event, every: float) -> bool:
        """Look every so many seconds; say whether the sink has got everything.

        It ends when all runs have, or when nothing starts them any more (`ended`) and none plays.
        A look takes a tenth of the time at most.
        """
        while True:
            began = time.monotonic()
            last = ended.is_set()  # asked before the look: what was written until then is seen
            for pursuit in self.pursuits:
                pursuit.look()
            if all(each.ended for each in self.pursuits):
                return True
            if last and not any(playing(each.folder) for each in self.pursuits):
                for pursuit in self.pursuits:
                    pursuit.give_up()
                return all(has_all(each) for each in self.pursuits)
            pause = max(every, 10 * (time.monotonic() - began))
            time.sleep(pause) if last else ended.wait(pause)


def playing(folder: Path) -> bool:
    """Say whether a worker is at a run."""
    try:
        return read(folder).status == "running"
    except ValueError:
        return False


def has_all(pursuit: Pursuit) -> bool:
    """Say whether the sink has every row that is there."""
    try:
        return not any(new_rows(read(pursuit.folder), pursuit.place))
    except ValueError:
        return True  # what cannot be read cannot be handed on


def new_rows(
    record: RunRecord, place: Mapping[str, int]
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Give the rows that a sink has not had: kind, place within the kind, row.

    A resumed run writes rows anew that were cut; they are the same, and are not given again.
    """
    evaluated = [*record.evaluations(), record.final(), record.final_of_best()]
    for row in filter(None, evaluated):
        kind = row.get("kind", "curve")
        if row["step"] > place.get(kind, -1):
            yield kind, int(row["step"]), row
    for row in record.training():
        if row["update"] > place.get("train", -1):
            yield "train", int(row["update"]), row


def numbers_of(kind: str, row: Mapping[str, Any]) -> dict[str, float]:
    """Give the numbers of a row by name, less those that are none."""
    prefix = {"curve": "eval", "final of best": "final_of_best"}.get(kind, kind)
    said = {f"{prefix}/{name}": value for name, value in row["metrics"].items()}
    further = ("return",) if kind == "train" else ("length", "crashed")
    said |= {f"{prefix}/{name}": row.get(name) for name in further}
    sampled = (row.get("sampled") or {}).get("metrics", {})
    said |= {f"{prefix}_sampled/{name}": value for name, value in sampled.items()}
    said[f"{prefix}/seconds"] = (row.get("wall") or {}).get("seconds")
    return {name: float(value) for name, value in said.items() if value is not None}


def unix_time(row: Mapping[str, Any]) -> float:
    """Give when a row was written."""
    said = (row.get("wall") or {}).get("time")
    return datetime.fromisoformat(said).timestamp() if said else time.time()


def described(record: RunRecord) -> Followed:
    """Give a run as sinks see it."""
    spec, settings = record.spec, deciding(record.spec)
    identity = f"{record.folder.resolve()} {spec.suite} {spec.row} {spec.label} {spec.seed}"
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return Followed(record.folder, spec.suite, spec.row, spec.label, spec.seed, key, settings)


def position_file(folder: Path, sink: str) -> Path:
    """Give the file that says how far a run was handed on to a sink."""
    return folder / "sinks" / f"{sink}.json"
