"""What one label, or two, come to across tasks: the aggregates of Agarwal et al. 2021.

Scores are normalised by the bounds that suites declare and come as one array (n_t,) per task, in
the same order of tasks for every label; tasks may differ in seeds. Intervals are percentiles of a
stratified bootstrap: seeds are drawn anew within each task, tasks stay. Higher is better.
Source: Agarwal et al. 2021, arXiv:2108.13264v4, whose library rliable gives the same estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = [
    "Aggregates",
    "Estimate",
    "Profile",
    "aggregates",
    "average_ranks",
    "normalised",
    "performance_profile",
    "probability_of_improvement",
]

RESAMPLES = 2000
"""Of the bootstrap: percentiles of 2.5 % then rest on 50 of them."""
FEWEST_RUNS = 10
"""Runs of all tasks together below which there is no interval: a bootstrap of fewer misleads."""
FEWEST_SEEDS = 3
"""Seeds of every task below which there is no interval: of two, half of the draws are one twice."""

Samples = Sequence[NDArray[np.float64]]
"""Per task an array whose last axis is its runs; other axes are the bootstrap's."""


@dataclass(frozen=True)
class Estimate:
    """A number and its interval."""

    value: float
    low: float | None
    """None where there is no interval."""
    high: float | None
    why_none: str = ""
    """Why there is no interval, as half a sentence; empty where there is one."""


@dataclass(frozen=True)
class Aggregates:
    """One label across tasks: 0 is the worst declared score and 1 the best."""

    iqm: Estimate
    """Interquartile mean: of all runs, without the lowest and the highest quarter."""
    mean: Estimate
    """Mean of the tasks' means."""
    median: Estimate
    """Median of the tasks' means."""
    optimality_gap: Estimate
    """How far runs stay below 1 on average, what is above 1 counted as 1: lower is better."""
    tasks: int
    runs: int


@dataclass(frozen=True)
class Profile:
    """The share of runs above each score, and its band."""

    taus: NDArray[np.float64]
    """(K,) normalised scores."""
    share: NDArray[np.float64]
    """(K,)"""
    low: NDArray[np.float64] | None
    """(K,) None where there is no interval."""
    high: NDArray[np.float64] | None
    why_none: str = ""


def normalised(values: ArrayLike, bounds: tuple[float, float]) -> NDArray[np.float64]:
    """Scores with (worst, best) at 0 and 1, not cut: bounds may be plausible rather than hard.

    Raises ValueError where the bounds are not in this order.

    >>> normalised([-42.0, -10.0], (-42.0, -10.0))
    array([0., 1.])
    """
    worst, best = bounds
    if not worst < best:
        raise ValueError(f"bounds go from the worst to the best score, not {bounds}")
    return (np.asarray(values, np.float64) - worst) / (best - worst)


def aggregates(scores: Sequence[ArrayLike], seed: int = 0) -> Aggregates:
    """Give interquartile mean, mean, median and optimality gap of one label.

    `scores`: per task its runs (n_t,), normalised. `seed` decides the bootstrap entirely.
    Raises ValueError for no task, a task without a run, or a score that is not finite.
    """
    samples = _checked(scores)
    iqm, mean, median, gap = _estimates(_four, [samples], seed)
    runs = sum(map(len, samples))
    return Aggregates(iqm, mean, median, gap, tasks=len(samples), runs=runs)


def performance_profile(scores: Sequence[ArrayLike], taus: ArrayLike, seed: int = 0) -> Profile:
    """Give the share of runs with a score above each tau; tasks weigh alike. As `aggregates`."""
    samples, at = _checked(scores), np.asarray(taus, np.float64)

    def above(*drawn: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        return np.stack([np.mean([(x > tau).mean(axis) for x in drawn], axis=0) for tau in at])

    estimates = _estimates(above, [samples], seed)
    share, why = np.array([each.value for each in estimates]), _too_few([samples])
    if why:
        return Profile(at, share, None, None, why)
    low, high = ([getattr(each, end) for each in estimates] for end in ("low", "high"))
    return Profile(at, share, np.array(low), np.array(high))


def probability_of_improvement(
    x: Sequence[ArrayLike], y: Sequence[ArrayLike], seed: int = 0
) -> Estimate:
    """Give the chance that a run of X beats a run of Y on a task drawn at random; ties count half.

    `x` and `y`: per task the runs of each, on the same tasks; needs no bounds. As `aggregates`.
    """
    ours, theirs = _checked(x), _checked(y)
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} tasks against {len(theirs)}: both must have the same")

    def chance(*drawn: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        pairs = zip(drawn[: len(ours)], drawn[len(ours) :], strict=True)
        return np.mean([[_beats(a, b) for a, b in pairs]], axis=1)

    return _estimates(chance, [ours, theirs], seed)[0]


def average_ranks(scores: Mapping[str, Sequence[ArrayLike]], seed: int = 0) -> dict[str, Estimate]:
    """Give each label's rank by the mean on a task, 1 the best, averaged over tasks.

    Ties share the mean of their ranks. `scores`: per label, per task its runs (n_t,), the same
    tasks for all; needs no bounds. As `aggregates`. Ranks depend on who else is ranked.
    """
    samples = {label: _checked(each) for label, each in scores.items()}
    tasks = {len(each) for each in samples.values()}
    if len(tasks) != 1:
        raise ValueError(f"labels with {sorted(tasks)} tasks: all must have the same")
    (count,) = tasks

    def ranks(*drawn: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        means = np.stack([each.mean(axis) for each in drawn])  # (labels * tasks, ...)
        table = means.reshape(len(samples), count, *means.shape[1:])
        return stats.rankdata(-table, axis=0).mean(axis=1)

    estimates = _estimates(ranks, list(samples.values()), seed)
    return dict(zip(samples, estimates, strict=True))


def _four(*drawn: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """The four aggregates, (4, ...)."""
    means = np.stack([each.mean(axis) for each in drawn])  # (tasks, ...)
    below = np.stack([np.minimum(each, 1.0).mean(axis) for each in drawn])
    iqm = stats.trim_mean(np.concatenate(drawn, axis), 0.25, axis)
    return np.stack([iqm, means.mean(0), np.median(means, 0), 1 - below.mean(0)])


def _beats(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of pairs of runs, the last axes, in which x is above y; ties count half."""
    ours, theirs = x[..., :, None], y[..., None, :]
    return ((ours > theirs) + 0.5 * (ours == theirs)).mean((-2, -1))


def _estimates(
    statistic: Callable[..., NDArray[np.float64]], labels: Sequence[Samples], seed: int
) -> list[Estimate]:
    """Several numbers (K, ...) of the samples of these labels, and their bootstrap intervals."""
    samples = [task for label in labels for task in label]
    values, why = statistic(*samples), _too_few(labels)
    if why:
        return [Estimate(float(value), None, None, why) for value in values]
    low, high = stats.bootstrap(  # one sample per task and label: each is a stratum
        samples,
        statistic,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    rows = zip(values.tolist(), low.tolist(), high.tolist(), strict=True)
    return [Estimate(*row) for row in rows]


def _too_few(labels: Sequence[Samples]) -> str:
    """Why these labels have no bootstrap interval; empty where they have one."""
    fewest = min(len(task) for label in labels for task in label)
    if fewest < FEWEST_SEEDS:
        return f"a task has {fewest} of at least {FEWEST_SEEDS} seeds"
    runs = min(sum(map(len, label)) for label in labels)
    return f"{runs} of at least {FEWEST_RUNS} runs" if runs < FEWEST_RUNS else ""


def _checked(scores: Sequence[ArrayLike]) -> list[NDArray[np.float64]]:
    samples = [np.asarray(each, np.float64) for each in scores]
    if not samples or any(each.ndim != 1 or not len(each) for each in samples):
        raise ValueError("one array of runs per task is needed, none of them empty")
    if not all(np.isfinite(each).all() for each in samples):
        raise ValueError("scores must be finite: leave a run without a score out")
    return samples
