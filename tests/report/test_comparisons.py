"""Tests that speak where they can: against scipy, by hand, by simulation; and silence elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from marlbench.report.comparisons import Comparison, best, corrected, holm, paired, welch

X, Y = [30.0, 31.0, 35.0, 50.0], [20.0, 29.0, 28.0]


def episodes(
    rng: np.random.Generator, seeds: int, start_states: NDArray[np.float64], sd: float
) -> NDArray[np.float64]:
    """(seeds, m): what the start state gives, what the seed does (sd), and noise of 1."""
    seed = rng.normal(0, sd, (seeds, 1))
    return start_states + seed + rng.normal(0, 1, (seeds, len(start_states)))


def test_welch_is_scipys() -> None:
    found, golden = welch(X, Y), stats.ttest_ind(X, Y, equal_var=False)
    ends = golden.confidence_interval()
    assert found.p == pytest.approx(golden.pvalue, rel=1e-12)  # roundings
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), rel=1e-12)
    assert found.difference == pytest.approx(36.5 - 77 / 3, rel=1e-12)
    assert found.difference == pytest.approx(golden.statistic * found.error, rel=1e-12)


def test_a_side_that_does_not_vary_can_be_compared() -> None:
    found, golden = welch(X, [20.0] * 3), stats.ttest_1samp(X, 20.0)  # its error is X's alone
    assert found.p == pytest.approx(golden.pvalue, rel=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        ([1.0, 2.0], Y, "2 of at least 3 seeds on a side"),
        (X, [1.0], "1 of at least 3 seeds on a side"),
        ([5.0] * 3, [1.0] * 3, "no seed differs from another of its label"),
    ],
)
def test_welch_is_silent_where_it_cannot_speak(x: list[float], y: list[float], why: str) -> None:
    found = welch(x, y)
    assert found == Comparison(float(np.mean(x) - np.mean(y)), None, None, None, None, why)
    assert not found.significant


def test_the_paired_error_by_hand() -> None:
    x = np.array([[1.0, 3.0, 5.0], [2.0, 5.0, 8.0], [0.0, 1.0, 8.0]])
    y = np.array([[0.0, 1.0, 2.0], [1.0, 1.0, 4.0], [2.0, 4.0, 0.0]])
    found = paired(x, y)
    # seeds: means 3, 5, 3 and 1, 2, 2; variances 4/3 and 1/3; over 3 seeds: 5/9
    # start states: differences of column means 0, 1, 5; variance 7; over 3: 7/3
    # residuals of x: squares sum to 8, of y to 14, over (3 - 1)(3 - 1): 2 and 3.5; over 9: 11/18
    assert residuals(x) == pytest.approx(2.0, rel=1e-12)  # roundings of least squares
    assert residuals(y) == pytest.approx(3.5, rel=1e-12)
    # 5/9 < 11/18 < 7/3: seeds differ by no more than the residual makes them, start states alone do
    assert found.difference == pytest.approx(2.0, rel=1e-12)
    assert found.error == pytest.approx((7 / 3) ** 0.5, rel=1e-12)
    assert found.p == pytest.approx(2 * stats.t.sf(2 / (7 / 3) ** 0.5, 2), rel=1e-12)


def residuals(episodes: NDArray[np.float64]) -> float:
    """Mean square that rows and columns do not explain, by least squares."""
    n, m = episodes.shape
    rows, columns = np.repeat(np.eye(n), m, axis=0), np.tile(np.eye(m), (n, 1))
    left = np.linalg.lstsq(np.hstack([rows, columns]), episodes.ravel(), rcond=None)
    fitted = np.hstack([rows, columns]) @ left[0]
    return float(((episodes.ravel() - fitted) ** 2).sum() / ((n - 1) * (m - 1)))


def test_the_paired_error_is_the_sum_of_its_parts() -> None:
    rng = np.random.default_rng(1)
    start = rng.normal(0, 3, 20)
    x, y = episodes(rng, 5, start, 2.0), episodes(rng, 4, start + rng.normal(0, 1, 20), 1.0)
    seeds = x.mean(1).var(ddof=1) / 5 + y.mean(1).var(ddof=1) / 4
    common = (x.mean(0) - y.mean(0)).var(ddof=1) / 20
    both = residuals(x) / 100 + residuals(y) / 80
    assert paired(x, y).error == pytest.approx((seeds + common - both) ** 0.5, rel=1e-9)  # lstsq


def test_common_start_states_halve_the_error() -> None:
    rng = np.random.default_rng(2)
    start, other = rng.normal(0, 9, (2, 32))
    x = episodes(rng, 3, start, 0.3)
    together = paired(x, episodes(rng, 3, start, 0.3)).error
    apart = paired(x, episodes(rng, 3, other, 0.3)).error
    assert together is not None
    assert apart is not None
    assert together < apart / 2


@pytest.mark.parametrize(("seeds", "interaction"), [(0.0, 2.0), (1.0, 0.0), (1.0, 2.0)])
def test_the_paired_test_errs_as_often_as_it_says(seeds: float, interaction: float) -> None:
    # No difference in truth: 5 % of 2 000 trials, their standard error 0.5 %. With three to five
    # seeds Satterthwaite's degrees are an estimate and components are cut at zero: 3 to 7 %.
    rng = np.random.default_rng(3)
    false = 0
    for _ in range(2000):
        start, liked = rng.normal(0, 3, 16), rng.normal(0, interaction, (2, 16))
        x, y = (episodes(rng, 4, start + likes, seeds) for likes in liked)
        false += paired(x, y).significant
    assert 0.03 < false / 2000 < 0.07


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        (np.ones((2, 8)), np.ones((5, 8)), "2 of at least 3 seeds on a side"),
        (np.eye(3)[:, :2], np.eye(3)[:, :2], "2 start states"),
        (np.ones((3, 8)), np.zeros((3, 8)), "no seed and no start state differs from another"),
    ],
)
def test_the_paired_test_is_silent_where_it_cannot_speak(x: Any, y: Any, why: str) -> None:
    found = paired(x, y)
    assert (found.p, found.error, found.low, found.silent) == (None, None, None, why)


def test_other_start_states_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match=r"\(3, 8\) and \(3, 9\)"):
        paired(np.ones((3, 8)), np.ones((3, 9)))


def test_holm_by_hand() -> None:
    # 4 * .005; 3 * .01; 2 * .03; .04 is not below the one before it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], rel=1e-15)
    assert holm([0.9, 0.6, None]) == [1.0, 1.0, None]
    assert holm([]) == []


def test_a_family_is_corrected_and_its_silent_members_do_not_count() -> None:
    tests = [welch(X, Y), welch([1.0], Y), welch(np.add(X, 100), Y)]
    found = corrected(tests)
    assert found[1] == tests[1]
    assert tests[0].p is not None
    assert tests[2].p is not None
    assert found[0].p == tests[0].p
    assert found[2].p == 2 * tests[2].p


def test_the_best_are_those_that_no_test_tells_apart() -> None:
    rows = {"a": [50.0, 52.0, 54.0], "b": [10.0, 12.0, 11.0], "c": [49.0, 52.0, 53.0]}
    assert best(rows) == ("a", "c")


def test_a_label_of_few_seeds_is_not_marked_and_takes_the_marks_of_others() -> None:
    assert best({"a": [50.0, 52.0, 54.0], "few": [40.0, 60.0]}) == ("a",)
    assert best({"a": [50.0, 52.0, 54.0], "few": [90.0]}) == ()
    assert best({"alone": [50.0, 52.0, 54.0]}) == ()
    assert best({"a": [50.0, 52.0, 54.0], "none": []}) == ()
    assert best({}) == ()


def test_where_no_seed_differs_equal_means_tie() -> None:
    assert best({"a": [100.0] * 3, "b": [100.0] * 3, "c": [0.0] * 3}) == ("a", "b")
