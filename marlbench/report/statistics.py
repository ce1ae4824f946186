"""What the seeds of one cell come to: mean, sd, an interval that says what it can, no more.

Everything here takes plain arrays in the metric's own unit (wins in percent, returns as they are)
and gives dataclasses. Higher is better. Why these intervals: `docs/benchmarks/intervals.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, stats

__all__ = [
    "DDOF",
    "FRACTIONS",
    "CellStatistics",
    "SampleEfficiency",
    "area_under_curve",
    "cell_statistics",
    "episode_noise",
    "other_scores",
    "sample_efficiency",
    "student_bands",
    "student_interval",
    "thresholds",
    "unanimous_bands",
]

DDOF = 1
"""Divisor n - 1 of standard deviations: seeds are a sample."""
FRACTIONS = (0.25, 0.5, 0.75)
"""Parts of the way from the worst to the best declared score: the thresholds of a report."""

Bounds = tuple[float, float]
"""(worst, best) score that a suite declares, in the metric's unit."""
Kind = Literal["none", "student", "all best", "all worst"]
"""Where an interval comes from: nowhere, Student's t over seeds, or the bound of episodes that
all got the best score, or all the worst."""


@dataclass(frozen=True)
class CellStatistics:
    """The seeds of one label on one task, each with one value."""

    values: NDArray[np.float64]
    """(n,) what each seed is worth, in the order given: draw every one as a dot."""
    mean: float | None
    """None where there is no seed."""
    sd: float | None
    """Standard deviation over seeds, divisor n - `DDOF`; None below two seeds."""
    noise: float | None
    """Standard deviation of a seed's value that its finite number of episodes alone gives."""
    low: float | None
    """Lower end of the interval of the mean; None where there is none."""
    high: float | None
    """Upper end of the interval of the mean; None where there is none."""
    kind: Kind
    """Where the interval comes from."""
    floored: bool
    """Whether the interval's sd is the noise of the episodes, the seeds' being smaller."""
    episodes: int
    """Scored episodes of all seeds together; 0 where they are not known."""
    confidence: float
    """Nominal coverage of the interval."""
    threshold: float | None
    """A score that a seed may reach, or None."""
    reached: int | None
    """How many seeds are at or above `threshold`; None without one."""

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def at_least(self) -> float | None:
        """Where every episode got the best score: the mean is at least this."""
        return self.low if self.kind == "all best" else None

    @property
    def at_most(self) -> float | None:
        """Where every episode got the worst score: the mean is at most this."""
        return self.high if self.kind == "all worst" else None

    def spread(self, digits: int) -> str:
        """What stands in brackets behind the mean: the sd, the episodes' bound, or a dash."""
        if self.at_least is not None:
            return f"≥ {self.at_least:.{digits}f}"
        if self.at_most is not None:
            return f"≤ {self.at_most:.{digits}f}"
        return "—" if self.sd is None else f"{self.sd:.{digits}f}"

    def seeds_above(self, digits: int) -> str:
        """`4 of 5 seeds at or above 50.0`; empty without a threshold."""
        if self.threshold is None:
            return ""
        seeds = "seed" if self.n == 1 else "seeds"
        return f"{self.reached} of {self.n} {seeds} at or above {self.threshold:.{digits}f}"


@dataclass(frozen=True)
class SampleEfficiency:
    """Env steps that the seeds of a cell took to a threshold."""

    threshold: float
    """The score, in the metric's unit."""
    steps: tuple[int | None, ...]
    """Per seed, the first evaluation at or above the threshold; None: never."""

    @property
    def reached(self) -> int:
        """How many seeds got there."""
        return sum(step is not None for step in self.steps)

    @property
    def median(self) -> float | None:
        """Median over all seeds, where one that never got there takes longer than any other.

        None, "never", where half of the seeds or more are needed that did not get there.
        """
        took = np.sort([np.inf if step is None else float(step) for step in self.steps])
        if not len(took):
            return None
        middle = (took[(len(took) - 1) // 2] + took[len(took) // 2]) / 2
        return float(middle) if np.isfinite(middle) else None

    def text(self) -> str:
        """`20000 (3 of 5 seeds)`, or `never (0 of 5 seeds)`."""
        took = "never" if self.median is None else f"{self.median:.0f}"
        return f"{took} ({self.reached} of {len(self.steps)} seeds)"


def cell_statistics(
    values: ArrayLike,
    episodes: Sequence[ArrayLike] = (),
    bounds: Bounds | None = None,
    threshold: float | None = None,
    confidence: float = 0.95,
) -> CellStatistics:
    """Say what the seeds of one cell come to.

    Args:
        values: (n,) one number per seed.
        episodes: Per seed, the scores of the episodes that its value is the mean of; empty
            where they are not known, then nothing floors the sd.
        bounds: (worst, best); the interval is cut to them. None: not known.
        threshold: A score, of which is counted how many seeds are at or above it.
        confidence: Nominal coverage of the interval.

    There is no bootstrap: below ten seeds its intervals cover far less than they say, and from
    ten on Student's covers as well. Raises ValueError for values that are not finite, and where
    `episodes` is given for another number of seeds.
    """
    scores = np.asarray(values, np.float64)
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError(f"one finite value per seed is needed, not {scores!r}")
    if len(episodes) not in (0, len(scores)):
        raise ValueError(f"{len(scores)} seeds, but episodes of {len(episodes)}")
    played = [np.asarray(each, np.float64) for each in episodes]
    noise = episode_noise(played)
    n, pooled = len(scores), np.concatenate(played) if played else np.empty(0)
    sd = float(scores.std(ddof=DDOF)) if n > DDOF else None
    kind, low, high = _interval(scores, noise or 0.0, pooled, bounds, confidence)
    return CellStatistics(
        values=scores,
        mean=float(scores.mean()) if n else None,
        sd=sd,
        noise=noise,
        low=low,
        high=high,
        kind=kind,
        floored=kind == "student" and noise is not None and noise > (sd or 0.0),
        episodes=len(pooled),
        confidence=confidence,
        threshold=threshold,
        reached=None if threshold is None else int((scores >= threshold).sum()),
    )


def student_interval(
    values: NDArray[np.float64], noise: float, bounds: Bounds | None, confidence: float = 0.95
) -> tuple[float, float]:
    """Student's t interval of the mean, cut to the bounds, its sd at least `noise`.

    Two seeds or more, (n,). The floor: seeds that happen to agree more than their episodes can
    tell apart agree by luck.
    """
    n = len(values)
    sd = max(float(values.std(ddof=DDOF)), noise)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * sd / np.sqrt(n)
    worst, best = bounds or (-np.inf, np.inf)
    mean = float(values.mean())
    return float(max(mean - half, worst)), float(min(mean + half, best))


def student_bands(
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    bounds: Bounds | None,
    confidence: float = 0.95,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give `student_interval` at every point of curves (seeds, T), NaN where a seed has no value.

    `noise` (seeds, T): the standard error of each value that its episodes give. Both ends are
    (T,), NaN where fewer than two seeds are there.
    """
    there = np.isfinite(values)
    n = there.sum(0)
    enough = n > DDOF
    counts = np.where(enough, n, DDOF + 1)
    filled = np.where(there, values, 0.0)
    mean = filled.sum(0) / np.maximum(n, 1)
    spread = np.where(there, values - mean, 0.0) ** 2
    floor = np.where(there, noise, 0.0) ** 2
    sd = np.sqrt(np.maximum(spread.sum(0) / (counts - DDOF), floor.sum(0) / np.maximum(n, 1)))
    half = stats.t.ppf((1 + confidence) / 2, counts - DDOF) * sd / np.sqrt(counts)
    worst, best = bounds or (-np.inf, np.inf)
    low, high = np.maximum(mean - half, worst), np.minimum(mean + half, best)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def unanimous_bands(
    values: NDArray[np.float64], episodes: NDArray[np.int64], bounds: Bounds
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the interval at points of curves (seeds, T) where every episode got the same, as a cell.

    All the best score or all the worst; `episodes` (seeds, T) are how many. Both ends are (T,), NaN
    at all other points and where the number of episodes is not known.
    """
    worst, best = bounds
    there = np.isfinite(values)
    played = np.where(there, episodes, 0).sum(0)
    known = (played > 0) & there.any(0) & ~(there & (episodes == 0)).any(0)
    missed = (best - worst) * np.array([other_scores(max(int(each), 1)) for each in played])
    at_best, at_worst = (known & (~there | (values == end)).all(0) for end in (best, worst))
    low = np.where(at_best, best - missed, np.where(at_worst, worst, np.nan))
    high = np.where(at_best, best, np.where(at_worst, worst + missed, np.nan))
    return low, high


def episode_noise(episodes: Sequence[NDArray[np.float64]]) -> float | None:
    """Give the sd of a seed's mean that its episodes alone explain: root mean square over seeds.

    Each seed gives the variance of its m episodes over m. None where no seed has two episodes.
    """
    known = [each.var(ddof=DDOF) / len(each) for each in episodes if len(each) > DDOF]
    return float(np.sqrt(np.mean(known))) if known else None


def _interval(
    values: NDArray[np.float64],
    noise: float,
    pooled: NDArray[np.float64],
    bounds: Bounds | None,
    confidence: float,
) -> tuple[Kind, float | None, float | None]:
    """Where the interval of these seeds, with all their episodes together, comes from, and it."""
    if bounds is not None and len(pooled):
        worst, best = bounds
        missed = (best - worst) * other_scores(len(pooled), confidence)
        if (pooled == best).all():
            return "all best", best - missed, best
        if (pooled == worst).all():
            return "all worst", worst, worst + missed
    if len(values) <= DDOF:
        return "none", None, None
    return "student", *student_interval(values, noise, bounds, confidence)


def other_scores(episodes: int, confidence: float = 0.95) -> float:
    """Give how often another score may come where all N episodes got the same, best or worst.

    1 - (1 - confidence)^(1/N), Clopper and Pearson's one-sided bound. It speaks of the seeds that
    were played: with p the mean of their chances of another score, N alike have a chance of
    (1 - p)^N at most where all play equally many. How other seeds do, agreeing ones cannot tell.

    >>> round(other_scores(300), 5)  # the rule of three: about 3 / N
    0.00994
    """
    return float(1 - (1 - confidence) ** (1 / episodes))


def thresholds(bounds: Bounds) -> tuple[float, ...]:
    """Scores at 25, 50 and 75 % of the way from worst to best.

    >>> thresholds((-40.0, 0.0))
    (-30.0, -20.0, -10.0)
    """
    worst, best = bounds
    return tuple(worst + part * (best - worst) for part in FRACTIONS)


def area_under_curve(steps: ArrayLike, values: ArrayLike) -> float | None:
    """Give the mean height of a curve: its area by trapezoids over its span, in the metric's unit.

    Steps and values are (T,), steps rising. None below two points.

    >>> area_under_curve([0, 10, 30], [0.0, 1.0, 1.0])  # (5 + 20) / 30
    0.8333333333333334
    """
    at, height = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    if len(at) < 2:
        return None
    return float(integrate.trapezoid(height, at) / (at[-1] - at[0]))


def sample_efficiency(
    curves: Sequence[tuple[ArrayLike, ArrayLike]], threshold: float
) -> SampleEfficiency:
    """Give the env steps to a threshold, per seed, from its curve: steps (T,) and values (T,).

    The first evaluation at or above it counts, without interpolation; later ones may be below.
    """
    return SampleEfficiency(threshold, tuple(_first_at(*curve, threshold) for curve in curves))


def _first_at(steps: ArrayLike, values: ArrayLike, threshold: float) -> int | None:
    above = np.flatnonzero(np.asarray(values, np.float64) >= threshold)
    return int(np.asarray(steps)[above[0]]) if len(above) else None
