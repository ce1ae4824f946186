"""Which policies a run keeps beside its newest: its checkpoints' documents name them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from marlbench.store import manifest
from marlbench.store.folder import CHECKPOINTS

NEWEST = "newest"
BEST = "best"


@dataclass(frozen=True)
class Kept:
    """A policy that is kept as it was at a point of the curve, and its file below `policies/`."""

    point: int
    """Of the schedule, in env steps."""
    env_steps: int
    """Played when it was kept: a little more than the point."""
    score: float
    """The task's first metric at that point, negated where lower is better."""
    file: str
    crc: int


def kept(folder: Path) -> tuple[Kept, ...]:
    """Give the kept policies of a run by point, as its newest readable checkpoint names them."""
    place = folder / CHECKPOINTS
    for number in reversed(manifest.numbers(place)):
        with suppress(OSError, ValueError):  # damaged, or a newer one has replaced it
            document = manifest.read(manifest.path_of(place, number))
            return tuple(Kept(**each) for each in document["policies"])
    return ()


def best(policies: tuple[Kept, ...]) -> Kept:
    """Give the best of some kept policies; of equal ones the earliest."""
    return max(policies, key=lambda each: (each.score, -each.point))


def chosen(folder: Path, of: str) -> Kept | None:
    """Give the kept policy that `best` or a point names, None for the newest checkpoint's.

    Raises ValueError saying what there is.
    """
    if of == NEWEST:
        return None
    there = kept(folder)
    if of == BEST and there:
        return best(there)
    found = next((each for each in there if str(each.point) == of), None)
    if found is None:
        points = ", ".join(str(each.point) for each in there)
        known = f"kept are {points}" if there else "run.keep_checkpoints=best or every=N keeps some"
        raise ValueError(f"{folder} keeps no policy {of!r}: {known}; {NEWEST} is always there")
    return found
