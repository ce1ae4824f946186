"""`marlbench merge`: brings runs of several results folders into one; refuses what conflicts."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from marlbench.errors import UserError
from marlbench.grid.launch import check_writable
from marlbench.grid.variants import refuse_shared_labels
from marlbench.store import RunRecord, read, run_folder, runs
from marlbench.store.folder import EVALUATIONS, deciding
from marlbench.store.rows import rows_alike

__all__ = ["merged"]


@dataclass(frozen=True)
class Arrival:
    """A run that comes, and where it is to stand."""

    record: RunRecord
    place: Path
    there: RunRecord | None
    """The same run as it is there already, less far or as far."""


def merged(folders: Sequence[Path], results: Path) -> Iterator[str]:
    """Copy the runs of these folders into `results`; give a line of each and of all.

    A run that both have is kept as the one is that got further. Raises UserError, before anything
    is copied, where two have one identity and are different runs, or one is being played.
    """
    check_writable(results)
    there = {record.folder: record for record in runs(results)}
    arrivals: dict[Path, Arrival] = {}
    number = 0
    for folder in folders:
        if not folder.is_dir() or folder.resolve() == results.resolve():
            raise UserError(f"{folder} is no results folder to merge into {results}")
        for record in runs(folder):
            number += 1
            place = run_folder(results, record.spec)
            known = arrivals[place].record if place in arrivals else there.get(place)
            if known is None or further(record, known):
                arrivals[place] = Arrival(record, place, there.get(place))
    specs = [(each.folder, each.spec) for each in there.values()]
    refuse_shared_labels([each.record.spec for each in arrivals.values()], specs)
    for arrival in arrivals.values():
        bring(arrival)
        yield f"  {arrival.place} from {arrival.record.folder}"
    yield f"{len(arrivals)} of {number} runs copied into {results}, the others were there"


def further(record: RunRecord, known: RunRecord) -> bool:
    """Say whether a run got further than the same run as it is known.

    Raises UserError if they are not the same: other settings, or other rows where both have some.
    """
    for each in (record, known):
        if each.status == "running":
            raise UserError(f"{each.folder} is being played: merge when it has ended")
    mine, theirs = deciding(record.spec), deciding(known.spec)
    for key in sorted(mine.keys() | theirs.keys()):
        if mine.get(key) != theirs.get(key):
            raise UserError(
                f"{record.folder} and {known.folder} are two runs of one identity: {key} is "
                f"{mine.get(key)!r} in the one and {theirs.get(key)!r} in the other"
            )
    if not rows_alike(record.evaluations(), known.evaluations()):
        raise UserError(
            f"{record.folder} and {known.folder} are two runs of one identity: their "
            f"{EVALUATIONS} differ in more than the wall clock; move one of them away"
        )
    return reached(record) > reached(known)


def reached(record: RunRecord) -> tuple[bool, int]:
    """Give how far a run is: its end, then its evaluations."""
    return record.status in ("done", "diverged"), len(record.evaluations())


def bring(arrival: Arrival) -> None:
    """Copy a run to its place, whole or not at all."""
    place = arrival.place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".merge-") as temporary:
        copy, old = Path(temporary, "run"), Path(temporary, "old")
        shutil.copytree(arrival.record.folder, copy, symlinks=True)
        read(copy)  # what was read may have been cut short since
        if place.exists():
            place.rename(old)
        copy.rename(place)
