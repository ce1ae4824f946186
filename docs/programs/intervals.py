"""How often the intervals of a report hold the truth, by simulation: docs/benchmarks/intervals.md.

    python docs/programs/intervals.py [simulations] [simulations across tasks]

A run's true rate of wins is drawn from a case, its value is the share won of 160 episodes, and the
truth is the mean over runs: its interval should hold it 95 times in 100.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from marlbench.report.aggregates import aggregates
from marlbench.report.statistics import cell_statistics, episode_noise, student_interval

Floats = NDArray[np.float64]
Rates = Callable[[np.random.Generator, tuple[int, ...]], Floats]
"""Draws the true rates of runs, of the shape asked for."""

EPISODES = 160
SEEDS = (3, 5, 10)
DRAWS = 2000


def beta(mean: float, sd: float) -> Rates:
    """Rates in 0..1 with this mean and standard deviation."""
    both = mean * (1 - mean) / sd**2 - 1
    return lambda rng, shape: rng.beta(mean * both, (1 - mean) * both, shape)


def or_nothing(chance: float, rates: Rates) -> Rates:
    """Some runs as given, the others at 0."""
    return lambda rng, shape: (rng.random(shape) < chance) * rates(rng, shape)


CASES: dict[str, tuple[Rates, float]] = {
    "mid: .50, sd .10": (beta(0.5, 0.1), 0.5),
    "low: .20, sd .18": (beta(0.2, 0.18), 0.2),
    "ceiling: .98, sd .02": (beta(0.98, 0.02), 0.98),
    "floor: .01, sd .01": (beta(0.01, 0.01), 0.01),
    "60 % of seeds at .8, else 0": (or_nothing(0.6, lambda _, shape: np.full(shape, 0.8)), 0.48),
    "1 seed in 10 fails, else .95, sd .04": (or_nothing(0.9, beta(0.95, 0.04)), 0.855),
}
"""Each with its true mean."""

Ends = tuple[Floats, Floats]


def one_sd(won: NDArray[np.int64]) -> Ends:
    """Mean and one standard deviation to both sides: what papers print."""
    values = won / EPISODES
    mean, sd = values.mean(-1), values.std(-1, ddof=1)
    return mean - sd, mean + sd


def student(won: NDArray[np.int64]) -> Ends:
    """Student's t as it is."""
    return t_interval(won / EPISODES)


def t_interval(values: Floats) -> Ends:
    """Student's t of (simulations, n)."""
    n = values.shape[-1]
    half = stats.t.ppf(0.975, n - 1) * values.std(-1, ddof=1) / np.sqrt(n)
    return values.mean(-1) - half, values.mean(-1) + half


def floored(won: NDArray[np.int64]) -> Ends:
    """Student's t with the sd floored by the episodes' noise, cut to 0..1."""
    noises = [episode_noise(played(row)) or 0.0 for row in won]
    rows = zip(won / EPISODES, noises, strict=True)
    return columns([student_interval(row, noise, (0, 1)) for row, noise in rows])


def in_a_report(won: NDArray[np.int64]) -> Ends:
    """The same, and the episodes' bound where all or none are won: `cell_statistics`."""
    cells = [cell_statistics(row / EPISODES, played(row), (0, 1)) for row in won]
    return columns([(cell.low or 0.0, cell.high or 0.0) for cell in cells])


def played(won: NDArray[np.int64]) -> list[Floats]:
    """The episodes of runs that won so many."""
    return [np.repeat([1.0, 0.0], [each, EPISODES - each]) for each in won]


def columns(ends: list[tuple[float, float]]) -> Ends:
    """Lower and upper ends of all simulations."""
    low, high = np.array(ends).T
    return low, high


def percentile(won: NDArray[np.int64]) -> Ends:
    """Percentiles of a bootstrap over seeds."""
    return bootstrap(won, "percentile")


def bca(won: NDArray[np.int64]) -> Ends:
    """Bias-corrected and accelerated; where all seeds are equal it has none, and is the mean."""
    return bootstrap(won, "BCa")


def bootstrap(won: NDArray[np.int64], method: str) -> Ends:
    """Of (simulations, n), in parts that fit the memory."""
    parts = []
    for part in np.array_split(won / EPISODES, max(1, len(won) // 200)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of seeds that are all equal
            found = stats.bootstrap(
                (part,), np.mean, axis=-1, n_resamples=DRAWS, method=method,
                rng=np.random.default_rng(0),
            ).confidence_interval  # fmt: skip
        parts.append([np.where(np.isnan(end), part.mean(-1), end) for end in found])
    low, high = np.concatenate(parts, -1)
    return low, high


def logit(won: NDArray[np.int64]) -> Ends:
    """Student's t of log odds, half an episode added to both sides, turned back."""
    odds = np.log((won + 0.5) / (EPISODES - won + 0.5))
    low, high = t_interval(odds)
    return 1 / (1 + np.exp(-low)), 1 / (1 + np.exp(-high))


METHODS: dict[str, Callable[[NDArray[np.int64]], Ends]] = {
    "± sd": one_sd,
    "Student's t": student,
    "t, sd floored": floored,
    "in a report": in_a_report,
    "percentile bootstrap": percentile,
    "BCa": bca,
    "t of log odds": logit,
}


def coverage(rates: Rates, truth: float, seeds: int, simulations: int) -> list[float]:
    """Per method, in how many of 100 simulations its interval holds the truth."""
    rng = np.random.default_rng([seeds, int(1000 * truth)])
    won = rng.binomial(EPISODES, rates(rng, (simulations, seeds)))
    ends = (method(won) for method in METHODS.values())
    return [100 * float(((low <= truth) & (truth <= high)).mean()) for low, high in ends]


def across_tasks(tasks: int, seeds: int, simulations: int) -> list[float]:
    """The same of the stratified bootstrap: interquartile mean, mean, median, optimality gap.

    The tasks' means lie evenly from .1 to .9, the sd of their runs is .1; the truth is what so
    many runs give that chance plays no part.
    """
    cases = [beta(mean, 0.1) for mean in np.linspace(0.1, 0.9, tasks)]
    rng = np.random.default_rng([tasks, seeds])
    truth = four([case(rng, (200_000,)) for case in cases])[:, 0]
    held = np.zeros(4)
    for number in range(simulations):
        won = [rng.binomial(EPISODES, case(rng, (seeds,))) / EPISODES for case in cases]
        low, high = four(won, number)[:, 1:].T
        held += (low <= truth) & (truth <= high)
    return (100 * held / simulations).tolist()


def four(scores: list[Floats], seed: int | None = None) -> Floats:
    """(4, 3): value, low and high of the four aggregates; without a seed the value alone."""
    if seed is None:
        pooled = np.concatenate(scores)
        means = np.array([each.mean() for each in scores])
        values = stats.trim_mean(pooled, 0.25), means.mean(), np.median(means), 1 - means.mean()
        return np.array(values)[:, None]
    found = aggregates(scores, seed)
    each = (found.iqm, found.mean, found.median, found.optimality_gap)
    return np.array([[one.value, one.low, one.high] for one in each], np.float64)


def row(*cells: object) -> None:
    """Print a row of a Markdown table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def main(simulations: int = 4000, across: int = 1000) -> None:
    """Print both tables."""
    row("case", "seeds", *METHODS)
    row(*["---"] * 2, *["---:"] * len(METHODS))
    for name, (rates, truth) in CASES.items():
        found = [coverage(rates, truth, seeds, simulations) for seeds in SEEDS]
        texts = (" ".join(f"{each:.0f}" for each in per) for per in zip(*found, strict=True))
        row(name, " / ".join(map(str, SEEDS)), *texts)
    print()
    row("tasks", "seeds a task", "interquartile mean", "mean", "median", "optimality gap")
    row("---:", "---:", *["---:"] * 4)
    for tasks in (1, 4, 10):
        for seeds in (3, 5, 10):
            if tasks * seeds >= 10:
                row(tasks, seeds, *(f"{x:.0f}" for x in across_tasks(tasks, seeds, across)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
