"""Which runs shared a machine or a GPU: their seconds do not compare with those of runs alone.

Known from the files alone: two runs of one host, or of one GPU, that worked at the same time.
Others that are not in the report are not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from marlbench.report.scores import Cell, Run, recorded

__all__ = ["SHARED", "SHARED_GPU", "Crowd", "at_once", "crowd", "shared", "sharing"]

SHARED = "∥"
"""Behind the name of a label whose runs shared their machine."""
SHARED_GPU = "∥∥"
"""Where they shared their GPU too."""


class Crowd(NamedTuple):
    """The most runs that worked at once beside a run, itself too; 1 where times are missing."""

    machine: int = 1
    gpu: int = 1


def crowd(cells: Iterable[Cell]) -> dict[Path, Crowd]:
    """Give for each run, by its folder, how many worked at once on its machine and on its GPU."""
    runs = [run for cell in cells for run in cell.runs]
    machine, gpu = _beside(runs, "host"), _beside(runs, "gpu")
    folders = (run.record.folder for run in runs)
    return {each: Crowd(machine.get(each, 1), gpu.get(each, 1)) for each in folders}


def shared(crowds: Iterable[Crowd]) -> str:
    """Give what stands behind a time of such runs; empty where each had its machine for itself."""
    found = list(crowds)
    if any(each.gpu > 1 for each in found):
        return SHARED_GPU
    return SHARED if any(each.machine > 1 for each in found) else ""


def sharing(crowds: Iterable[Crowd]) -> str:
    """Give a sentence on what such marks mean; empty where there are none."""
    found = list(crowds)
    most = {
        f"{SHARED}: runs that shared their machine": max(
            (each.machine for each in found), default=1
        ),
        f"{SHARED_GPU}: their GPU too": max((each.gpu for each in found), default=1),
    }
    said = [f"{words}, up to {number} at once" for words, number in most.items() if number > 1]
    return f" {'; '.join(said)}: alone they would have been faster." if said else ""


def _beside(runs: Iterable[Run], place: str) -> dict[Path, int]:
    """Give how many runs worked at once where these did, by what provenance says of a place.

    Those that do not say where are of no place.
    """
    by_place: dict[str, list[tuple[float, float, Path]]] = {}
    for run in runs:
        where = str(recorded(run.record, place) or "")
        for begin, end in run.worked if where else ():
            by_place.setdefault(where, []).append((begin, end, run.record.folder))
    most: dict[Path, int] = {}
    for stretches in by_place.values():
        together = at_once([(begin, end) for begin, end, _ in stretches])
        for (_, _, folder), count in zip(stretches, together, strict=True):
            most[folder] = max(most.get(folder, 1), count)
    return most


def at_once(stretches: list[tuple[float, float]]) -> list[int]:
    """Give for each (begin, end) the most that are under way at any moment of it, itself too.

    What begins when another ends is not beside it.

    >>> at_once([(0, 10), (5, 7), (6, 20), (20, 30)])
    [3, 3, 3, 1]
    """
    begins, ends = (np.array(each, np.float64) for each in zip(*stretches, strict=True))
    moments, over = np.sort(begins), np.sort(ends)
    begun = np.arange(1, len(moments) + 1)
    last = np.searchsorted(moments, moments, side="right") - 1  # of several at one moment
    active = begun[last] - np.searchsorted(
        over, moments, side="right"
    )  # at each beginning, it included
    first = np.searchsorted(moments, begins, side="left")
    behind = np.searchsorted(moments, ends, side="left")
    return [int(active[a : max(b, a + 1)].max()) for a, b in zip(first, behind, strict=True)]
