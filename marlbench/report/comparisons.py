"""Whether two labels differ: Welch's and the paired test, Holm's correction, and no test in vain.

Plain arrays in, dataclasses out; scores in the metric's unit, higher is better. A test that cannot
speak gives no p and says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = [
    "ALPHA",
    "FEWEST_SEEDS",
    "Comparison",
    "Summary",
    "best",
    "corrected",
    "holm",
    "paired",
    "summary",
    "welch",
    "welch_of_summaries",
]

ALPHA = 0.05
"""Level of significance, after Holm's correction."""
FEWEST_SEEDS = 3
"""Seeds a side below which no test is made: two give an sd that is wrong by a factor at a time."""


@dataclass(frozen=True)
class Comparison:
    """X against Y."""

    difference: float
    """Mean of X minus mean of Y."""
    error: float | None
    """Standard error of the difference; None where no test can speak."""
    low: float | None
    """Lower end of the 95 % interval of the difference, without any correction."""
    high: float | None
    p: float | None
    """Two-sided; None where no test can speak. After `corrected`, adjusted by Holm."""
    silent: str = ""
    """Why no test can speak, as half a sentence; empty where one did."""

    @property
    def significant(self) -> bool:
        """Whether the test says that the two differ."""
        return self.p is not None and self.p < ALPHA


class Summary(NamedTuple):
    """What is left of the seeds of a label where only a table is known."""

    mean: float
    sd: float
    """With the divisor n - 1."""
    n: int


def welch(x: ArrayLike, y: ArrayLike) -> Comparison:
    """Compare the values of seeds, (n_x,) and (n_y,), by Welch's t: sds need not be equal.

    Where all seeds played the same start states, it speaks of these start states alone.
    Raises ValueError where a side has no seed.
    """
    return welch_of_summaries(*(summary(np.asarray(each, np.float64)) for each in (x, y)))


def summary(values: NDArray[np.float64]) -> Summary:
    """Mean, sd and number of values (n,); the sd of a single one is 0."""
    if not len(values):
        raise ValueError("a side without a seed cannot be compared")
    sd = values.std(ddof=1) if len(values) > 1 else 0.0
    return Summary(float(values.mean()), float(sd), len(values))


def welch_of_summaries(x: Summary, y: Summary) -> Comparison:
    """Compare two labels of which mean, sd and number of seeds are known by Welch's t."""
    difference = x.mean - y.mean
    if why := _too_few(x.n, y.n):
        return _silent(difference, why)
    if not x.sd and not y.sd:
        return _silent(difference, "no seed differs from another of its label")
    return _student(difference, [each.sd**2 / each.n for each in (x, y)], [x.n - 1, y.n - 1])


def paired(x: ArrayLike, y: ArrayLike) -> Comparison:
    """Compare the episodes of seeds, (n_x, m) and (n_y, m), of which column e has one start state.

    Seeds and start states both are samples. The variance of the difference of means is that of
    the seeds' means and that of the m paired differences, less what both of them contain, the
    residual of seed and start state; degrees of freedom are Satterthwaite's. What a start
    state adds to both labels falls out, so that the error is smaller than that of other start
    states each. Raises ValueError where the columns differ in number.
    """
    ours, theirs = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if ours.ndim != 2 or theirs.ndim != 2 or ours.shape[1] != theirs.shape[1]:
        raise ValueError(f"(seeds, episodes) on both sides, not {ours.shape} and {theirs.shape}")
    difference = float(ours.mean() - theirs.mean())
    if why := _too_few(len(ours), len(theirs)):
        return _silent(difference, why)
    if ours.shape[1] < FEWEST_SEEDS:
        return _silent(difference, f"{ours.shape[1]} start states")
    differences = ours.mean(0) - theirs.mean(0)  # (m,)
    start_states = differences.var(ddof=1) / len(differences)
    seeds = [each.mean(1).var(ddof=1) / len(each) for each in (ours, theirs)]
    both = [_residual(each) / each.size for each in (ours, theirs)]
    parts, free = [*seeds, start_states], [len(ours) - 1, len(theirs) - 1, len(differences) - 1]
    if sum(seeds) <= sum(both) and start_states <= sum(both):
        return _silent(difference, "no seed and no start state differs from another")
    if start_states <= sum(both):  # a component that comes out at zero or below is none
        parts, free = parts[:2], free[:2]
    elif sum(seeds) <= sum(both):
        parts, free = parts[2:], free[2:]
    else:
        parts += [-each for each in both]
        free += [(len(each) - 1) * (each.shape[1] - 1) for each in (ours, theirs)]
    return _student(difference, parts, free)


def _residual(episodes: NDArray[np.float64]) -> float:
    """Mean square (n, m) of what neither the seed nor the start state explains."""
    rest = episodes - episodes.mean(0) - episodes.mean(1, keepdims=True) + episodes.mean()
    return float((rest**2).sum() / ((len(episodes) - 1) * (episodes.shape[1] - 1)))


def _student(difference: float, parts: Sequence[float], free: Sequence[int]) -> Comparison:
    """Test a difference whose variance is the sum of parts with these degrees of freedom."""
    variance = float(sum(parts))
    degrees = variance**2 / sum(part**2 / dof for part, dof in zip(parts, free, strict=True))
    error = float(np.sqrt(variance))
    half = float(stats.t.ppf(1 - ALPHA / 2, degrees)) * error
    p = float(2 * stats.t.sf(abs(difference) / error, degrees))
    return Comparison(difference, error, difference - half, difference + half, p)


def _silent(difference: float, why: str) -> Comparison:
    return Comparison(difference, None, None, None, None, why)


def _too_few(x: int, y: int) -> str:
    """Why so many seeds are too few; empty where they are enough."""
    fewest = min(x, y)
    return "" if fewest >= FEWEST_SEEDS else f"{fewest} of at least {FEWEST_SEEDS} seeds on a side"


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjust p values by Holm's step-down method, in their order; None, no test, stays so.

    The k-th smallest of m is multiplied by m - k + 1, and is not below the ones before it.

    >>> holm([0.04, None, 0.01, 0.03])
    [0.06, None, 0.03, 0.06]
    """
    tested = sorted((each, at) for at, each in enumerate(p) if each is not None)
    adjusted: list[float | None] = [None] * len(p)
    highest = 0.0
    for rank, (each, at) in enumerate(tested):
        highest = max(highest, min(1.0, each * (len(tested) - rank)))
        adjusted[at] = highest
    return adjusted


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Give the comparisons of one family with p adjusted by Holm; intervals stay as they are."""
    adjusted = holm([each.p for each in comparisons])
    return [replace(each, p=p) for each, p in zip(comparisons, adjusted, strict=True)]


def best(seeds: Mapping[str, ArrayLike]) -> tuple[str, ...]:
    """Give the labels of a row that no test tells from its highest mean, that one included.

    `seeds`: per label the values of its seeds (n,). Welch against the highest mean, corrected by
    Holm within the row. Where seeds of a label do not differ at all, only an equal mean ties. None
    is given for a single label, and where the highest has fewer than `FEWEST_SEEDS` seeds: then no
    mark is honest. A label with fewer than that cannot tie.
    """
    values = {label: np.asarray(each, np.float64) for label, each in seeds.items()}
    means = {label: each.mean() for label, each in values.items() if len(each)}
    if len(means) < 2:
        return ()
    first = max(means, key=means.__getitem__)
    if len(values[first]) < FEWEST_SEEDS:
        return ()
    rivals = [x for x in means if x != first and len(values[x]) >= FEWEST_SEEDS]
    tests = corrected([welch(values[first], values[rival]) for rival in rivals])
    ties = {
        rival
        for rival, test in zip(rivals, tests, strict=True)
        if (test.difference == 0 if test.silent else not test.significant)
    }
    return tuple(label for label in values if label == first or label in ties)
