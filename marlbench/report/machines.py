"""Which runs shared a machine: their seconds of training do not compare with those of runs alone.

Known from the files alone: two runs on the same host that worked at the same time. Others that are
not in the report are not known.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from marlbench.report.scores import Cell, recorded

__all__ = ["SHARED", "at_once", "crowd"]

SHARED = "∥"
"""Behind the name of a label whose runs shared their machine."""


def crowd(cells: Iterable[Cell]) -> dict[tuple[str, str, str], int]:
    """Give for each (suite, task, label) how many runs worked at once beside any of its own.

    Itself included: 1 where all had the machine for themselves; not in it where times are missing.
    """
    every = [cell for cell in cells if cell.runs]
    by_host: dict[str, list[tuple[float, float, int]]] = {}
    for number, cell in enumerate(every):
        for run in cell.runs:
            host = str(recorded(run.record, "host") or "")
            for begin, end in run.worked:
                by_host.setdefault(host, []).append((begin, end, number))
    most: dict[int, int] = {}
    for stretches in by_host.values():
        together = at_once([(begin, end) for begin, end, _ in stretches])
        for (_, _, number), count in zip(stretches, together, strict=True):
            most[number] = max(most.get(number, 1), count)
    return {(c.suite, c.task, c.label): most[k] for k, c in enumerate(every) if k in most}


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
