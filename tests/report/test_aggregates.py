"""Aggregates across tasks are rliable's; their intervals are those of a stratified bootstrap."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.report.aggregates import (
    Aggregates,
    Estimate,
    aggregates,
    average_ranks,
    normalised,
    performance_profile,
    probability_of_improvement,
)

RLIABLE = json.loads((Path(__file__).parent / "rliable.json").read_text(encoding="utf-8"))
CASES = pytest.mark.parametrize("golden", RLIABLE["cases"], ids=lambda golden: golden["case"])
FOUR = ("iqm", "mean", "median", "optimality_gap")
Scores = list[NDArray[np.float64]]


def by_task(runs: list[list[float]]) -> Scores:
    """Rows are runs in rliable; here every task has an array of its own."""
    return list(np.array(runs).T)


def close(value: float) -> Any:
    """To 1e-12: sums in another order round differently in the 16th digit, outliers up to 1e3."""
    return pytest.approx(value, rel=1e-12, abs=1e-12)


@CASES
@pytest.mark.parametrize("name", FOUR)
def test_an_aggregate_is_rliables(golden: dict[str, Any], name: str) -> None:
    assert getattr(aggregates(by_task(golden["x"])), name).value == close(golden[name])


@CASES
def test_a_profile_is_rliables(golden: dict[str, Any]) -> None:
    profile = performance_profile(by_task(golden["x"]), RLIABLE["taus"])
    assert profile.share.tolist() == close(golden["profile"])


@CASES
def test_the_probability_of_improvement_is_rliables(golden: dict[str, Any]) -> None:
    x, y = by_task(golden["x"]), by_task(golden["y"])
    assert probability_of_improvement(x, y).value == close(golden["improvement"])


def test_intervals_are_rliables_but_for_the_draws() -> None:
    """Percentiles of 2000 draws: their standard error is about 3 % of the width; five of those.

    The probability of improvement comes in steps of 1/150, one more is allowed.
    """
    case = RLIABLE["cases"][0]
    x, y = by_task(case["x"]), by_task(case["y"])
    found, golden = aggregates(x), RLIABLE["intervals"]
    ours = {name: getattr(found, name) for name in FOUR}
    ours["improvement"] = probability_of_improvement(x, y)
    for name, estimate in ours.items():
        low, high = golden[name]
        slack = 0.15 * (high - low) + 1 / 150
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=slack), name


def test_the_bootstrap_draws_within_tasks() -> None:
    # Each task's runs are alike and tasks differ: drawn within tasks nothing can change.
    found = aggregates([np.full(5, level) for level in (0.0, 0.5, 1.0)])
    assert (found.mean.low, found.mean.high) == (0.5, 0.5)
    assert (found.tasks, found.runs) == (3, 15)


def test_an_interval_is_that_of_all_draws_of_a_small_sample() -> None:
    # Of the mean of 0, 1, 2 (task A) and zeros (task B): all 27 draws of A, enumerated.
    draws = sorted(float(np.mean([draw, (0, 0, 0)])) for draw in product((0, 1, 2), repeat=3))
    found = aggregates([[0.0, 1.0, 2.0], [0.0] * 7]).mean
    # 2.5 % of 27 draws: one of 27 (3.7 %) is all zeros, one all twos
    assert (draws[0], draws[-1]) == (0.0, 1.0)
    assert (found.low, found.high) == (0.0, 1.0)


def test_a_seed_decides_the_bootstrap() -> None:
    scores = np.random.default_rng(0).random((4, 5))
    assert aggregates(list(scores), seed=1) == aggregates(list(scores), seed=1)
    assert aggregates(list(scores), seed=1) != aggregates(list(scores), seed=2)


def test_tasks_with_other_numbers_of_runs_weigh_alike_but_in_the_iqm() -> None:
    scores = [[0.0] * 4, [1.0] * 8]
    found = aggregates(scores)
    assert (found.mean.value, found.optimality_gap.value) == (0.5, 0.5)
    assert found.iqm.value == 5 / 6  # of 12 runs without the lowest and highest 3: 1 zero, 5 ones
    assert performance_profile(scores, [0.5]).share.tolist() == [0.5]


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        ([[0.1, 0.2]] * 8, "a task has 2 of at least 3 seeds"),
        ([[0.1, 0.2, 0.3]] * 3, "9 of at least 10 runs"),
        ([list(np.linspace(0, 1, 9))], "9 of at least 10 runs"),
    ],
)
def test_below_ten_runs_or_three_seeds_there_is_no_interval(
    scores: list[list[float]], why: str
) -> None:
    found = aggregates(scores)
    assert (found.iqm.low, found.iqm.high, found.iqm.why_none) == (None, None, why)
    profile = performance_profile(scores, [0.15])
    assert (profile.low, profile.high, profile.why_none) == (None, None, why)
    many = [[0.1] * 10] * len(scores)
    assert probability_of_improvement(scores, many).why_none == why
    assert average_ranks({"a": many, "b": scores})["a"].why_none == why


def test_ranks_are_of_means_and_ties_share_theirs() -> None:
    def value(estimates: dict[str, Estimate]) -> dict[str, float]:
        return {label: estimate.value for label, estimate in estimates.items()}

    a, b, c = [[9.0, 1.0], [0.0, 0.0]], [[4.0, 4.0], [1.0, 1.0]], [[4.0, 4.0], [-1.0, -1.0]]
    # first task: means 5, 4, 4, ranks 1, 2.5, 2.5; second: 0, 1, -1, ranks 2, 1, 3
    assert value(average_ranks({"a": a, "b": b, "c": c})) == {"a": 1.5, "b": 1.75, "c": 2.75}


def test_ranks_of_labels_that_never_cross_are_sure() -> None:
    levels = {"low": 0.0, "high": 1.0, "middle": 0.5}
    jitter = np.linspace(0, 0.4, 5)
    ranks = average_ranks({label: [level + jitter] * 2 for label, level in levels.items()})
    assert ranks["high"] == Estimate(1.0, 1.0, 1.0)
    assert ranks["middle"] == Estimate(2.0, 2.0, 2.0)
    assert ranks["low"] == Estimate(3.0, 3.0, 3.0)


def test_a_profile_falls_and_its_band_holds_it() -> None:
    scores = list(np.random.default_rng(3).random((6, 5)))
    profile = performance_profile(scores, np.linspace(0, 1, 21))
    assert profile.low is not None
    assert profile.high is not None
    assert (np.diff(profile.share) <= 0).all()
    assert ((profile.low <= profile.share) & (profile.share <= profile.high)).all()


def test_scores_are_normalised_by_bounds_and_not_cut() -> None:
    assert normalised([-42, -26, -10, 6], (-42, -10)).tolist() == [0, 0.5, 1, 1.5]
    with pytest.raises(ValueError, match="from the worst to the best"):
        normalised([0.0], (1.0, 1.0))


@pytest.mark.parametrize("scores", [[], [[]], [[0.0, np.nan]], [[[0.0]]]])
@pytest.mark.parametrize(
    "ask", [aggregates, lambda scores: performance_profile(scores, [0.5])], ids=["four", "profile"]
)
def test_what_is_no_score_is_refused(
    ask: Callable[[Any], Aggregates | object], scores: list[Any]
) -> None:
    with pytest.raises(ValueError, match=r"task|finite"):
        ask(scores)


def test_labels_must_have_the_same_tasks() -> None:
    with pytest.raises(ValueError, match="1 tasks against 2"):
        probability_of_improvement([[0.0]], [[0.0], [1.0]])
    with pytest.raises(ValueError, match=r"\[1, 2\] tasks"):
        average_ranks({"a": [[0.0]], "b": [[0.0], [1.0]]})
