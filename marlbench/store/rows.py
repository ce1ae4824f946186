"""Rows of metric files as today's readers want them: in today's form, each place once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def todays(row: dict[str, Any]) -> dict[str, Any]:
    """Give an evaluation's row with `metrics` and `values`, once columns of their own."""
    if "metrics" in row:
        return row
    means = {name: row.get(name) for name in ("return", "win")}
    values = {"return": row.get("returns"), "win": row.get("wins")}
    kept = {key: value for key, value in row.items() if key not in {*means, "returns", "wins"}}
    there = [name for name, mean in means.items() if mean is not None]
    return kept | {
        "metrics": {name: means[name] for name in there},
        "values": {name: [float(v) for v in values[name] or ()] for name in there},
    }


def without_superseded(
    rows: Iterable[dict[str, Any]], place: Callable[[dict[str, Any]], Any]
) -> list[dict[str, Any]]:
    """Give rows less those that a newer attempt has cut, or would have.

    A worker that was superseded between its look at the attempts and its write, where no lock
    reaches it, leaves a row late: behind rows of the newer attempt, or before them and at a `place`
    (in the order of the run) that the newer one comes to again.

    >>> rows = [(1, 10), (1, 20), (1, 50), (2, 30), (1, 60), (2, 40), (2, 50)]
    >>> told = [{"step": step, "wall": {"attempt": attempt}} for attempt, step in rows]
    >>> [row["step"] for row in without_superseded(told, lambda row: row["step"])]
    [10, 20, 30, 40, 50]
    """
    kept: list[dict[str, Any]] = []
    newest = 0
    for row in rows:
        attempt = (row.get("wall") or {}).get("attempt", 0)  # older versions did not say
        if attempt > newest:
            newest, kept = attempt, [each for each in kept if place(each) < place(row)]
        if attempt == newest:
            kept.append(row)
    return kept


def rows_alike(some: Iterable[dict[str, Any]], others: Iterable[dict[str, Any]]) -> bool:
    """Say whether rows are the same, wall clock apart, as far as both go.

    >>> some = [{"step": 0, "wall": {"seconds": 1}}, {"step": 5, "wall": {"seconds": 2}}]
    >>> rows_alike(some, [{"step": 0, "wall": {"seconds": 9}}]), rows_alike(some, [{"step": 1}])
    (True, False)
    """
    return all(
        {**one, "wall": None} == {**other, "wall": None}
        for one, other in zip(some, others, strict=False)
    )
