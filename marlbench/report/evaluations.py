"""What rows of evaluations say of one metric: the curve, and what a run is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marlbench.metrics import Metric
from marlbench.report.statistics import DDOF

__all__ = ["EMPTY", "Curve", "Value", "curve", "value", "worked"]


class Value(NamedTuple):
    """What a run is worth by one metric, as it is shown: shares in percent."""

    mean: float
    episodes: NDArray[np.float64]
    """(m,) the scores that it is the mean of; empty where rows do not have them."""
    final: bool
    """Whether it is of a final evaluation; else of the curve's last point."""
    sampled: float | None
    """What the policy is worth that samples its actions; None where rows do not say."""
    starts: tuple[int, ...]
    """(m,) the seeds of the episodes' start states; empty where rows do not say."""


class Curve(NamedTuple):
    """One metric of one run, as it is shown: shares in percent."""

    steps: NDArray[np.int64]
    """(T,) grid points, in env steps."""
    values: NDArray[np.float64]
    """(T,)"""
    noise: NDArray[np.float64]
    """(T,) standard error of each value that its episodes give; 0 where they are not known."""
    seconds: NDArray[np.float64]
    """(T,) wall-clock of training up to this point; NaN where it is not known."""
    episodes: NDArray[np.int64]
    """(T,) episodes that each value is the mean of; 0 where they are not known."""


NO_COUNTS, NO_SCORES = np.array([], np.int64), np.array([], np.float64)
EMPTY = Curve(NO_COUNTS, NO_SCORES, NO_SCORES, NO_SCORES, NO_COUNTS)


def value(row: Mapping[str, Any], metric: Metric) -> Value | None:
    """What a run is worth by this evaluation; None where it scored no episode."""
    mean = row["metrics"].get(metric.name)
    if mean is None:
        return None
    sampled = (row.get("sampled") or {}).get("metrics", {}).get(metric.name)
    return Value(
        mean=metric.scale * mean,
        episodes=episodes(row, metric),
        final=row.get("kind") == "final",
        sampled=None if sampled is None else metric.scale * sampled,
        starts=tuple(row.get("seeds") or ()),
    )


def episodes(row: Mapping[str, Any], metric: Metric) -> NDArray[np.float64]:
    """The scores of a row's episodes (m,), as they are shown; none where it does not have them."""
    played = (row.get("values") or {}).get(metric.name) or []
    return metric.scale * np.array([each for each in played if each is not None], np.float64)


def curve(rows: Sequence[Mapping[str, Any]], metric: Metric) -> Curve:
    """One metric of evaluation rows, as it is shown."""
    name = metric.name
    points = [row for row in rows if row["metrics"].get(name) is not None]
    if not points:
        return EMPTY
    played = [(row.get("values") or {}).get(name) or () for row in points]
    walls = (training_seconds(row.get("wall") or {}) for row in points)
    return Curve(
        steps=np.array([row["step"] for row in points], np.int64),
        values=metric.scale * np.array([row["metrics"][name] for row in points], np.float64),
        noise=metric.scale * noise(played),
        seconds=np.array([np.nan if wall is None else wall for wall in walls], np.float64),
        episodes=np.array([len(each) for each in played], np.int64),
    )


def training_seconds(wall: Mapping[str, float]) -> float | None:
    """Seconds of training; older rows have one number, with evaluations and start-up in it."""
    return wall.get("training", wall.get("seconds"))


def noise(played: Sequence[Sequence[float | None]]) -> NDArray[np.float64]:
    """Give the standard error (T,) of the mean of each evaluation's episodes.

    0 where fewer than two are known. All at once where evaluations have equally many.

    >>> noise([[0.0, 2.0], [3.0]])
    array([1., 0.])
    """
    counts = {len(each) for each in played}
    if len(counts) == 1 and min(counts) > DDOF and not any(None in each for each in played):
        table = np.array(played, np.float64)
        return np.asarray(table.std(1, ddof=DDOF) / table.shape[1] ** 0.5)
    found = np.zeros(len(played))
    for k, each in enumerate(played):
        there = np.array([value for value in each if value is not None], np.float64)
        if len(there) > DDOF:
            found[k] = there.std(ddof=DDOF) / len(there) ** 0.5
    return found


def worked(rows: Iterable[Mapping[str, Any]]) -> tuple[tuple[float, float], ...]:
    """Give when a run worked, (begin, end) in seconds since 1970 for each attempt.

    From `wall` of its rows and events; those that do not say when are passed over.
    """
    times: dict[int, list[str]] = {}
    for row in rows:
        wall = row.get("wall") or {}
        if "time" in wall:
            times.setdefault(wall.get("attempt", 1), []).append(wall["time"])
    found = ((min(each), max(each)) for each in times.values())  # ISO 8601 in UTC sorts as text
    return tuple((_seconds(begin), _seconds(end)) for begin, end in found)


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
