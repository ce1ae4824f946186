"""What seeds come to, by hand: interval, floor, bound, counts, area, env steps to a threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from marlbench.report.statistics import (
    area_under_curve,
    cell_statistics,
    episode_noise,
    other_scores,
    sample_efficiency,
    thresholds,
    unanimous_bands,
)

PERCENT = (0.0, 100.0)
T_2 = 0.95 / math.sqrt(2 * 0.975 * 0.025)
"""97.5 % point of Student's t with 2 degrees of freedom: (2p - 1) / sqrt(2p (1 - p)), 4.303."""


def wins(*of_ten: int) -> list[list[float]]:
    """Per seed ten episodes, so many of them won, in percent."""
    return [[100.0] * won + [0.0] * (10 - won) for won in of_ten]


def test_mean_and_sd_of_seeds() -> None:
    cell = cell_statistics([3.0, 5.0, 7.0])
    assert (cell.n, cell.mean, cell.sd) == (3, 5.0, 2.0)  # ((3-5)^2 + 0 + (7-5)^2) / (3 - 1) = 4
    assert cell.values.tolist() == [3.0, 5.0, 7.0]
    assert cell.kind == "student"
    half = T_2 * 2 / math.sqrt(3)
    assert (cell.low, cell.high) == pytest.approx((5 - half, 5 + half), rel=1e-12)  # roundings
    assert cell.spread(2) == "2.00"


def test_an_interval_is_cut_to_the_bounds() -> None:
    cell = cell_statistics([90.0, 100.0, 80.0], bounds=PERCENT)
    assert cell.high == 100.0
    assert cell.low == pytest.approx(90 - T_2 * 10 / math.sqrt(3), rel=1e-12)


def test_the_noise_of_episodes_is_the_error_of_a_seeds_mean() -> None:
    # Of ten wins and losses p = 0.5: variance 100^2 * 0.25 * 10/9, over ten episodes.
    noise = episode_noise([np.array(each) for each in wins(5, 5)])
    assert noise == pytest.approx(100 * math.sqrt(0.25 / 9), rel=1e-12)
    assert episode_noise([np.array([1.0])]) is None  # one episode says nothing of its noise


def test_seeds_that_agree_by_luck_do_not_narrow_the_interval() -> None:
    lucky = cell_statistics([50.0, 50.0, 50.0], wins(5, 5, 5), PERCENT)
    assert (lucky.sd, lucky.floored) == (0.0, True)
    half = T_2 * (100 * math.sqrt(0.25 / 9)) / math.sqrt(3)
    assert (lucky.low, lucky.high) == pytest.approx((50 - half, 50 + half), rel=1e-12)
    spread = cell_statistics([10.0, 50.0, 90.0], wins(1, 5, 9), PERCENT)
    assert not spread.floored
    assert spread.spread(1) == "40.0"


def test_where_all_episodes_are_won_the_bound_is_theirs() -> None:
    cell = cell_statistics([100.0] * 3, wins(10, 10, 10), PERCENT)
    # 0.05^(1/30): at that rate all 30 are won once in twenty times
    assert cell.at_least == pytest.approx(100 * 0.05 ** (1 / 30), rel=1e-12)
    assert (cell.low, cell.high, cell.at_most) == (cell.at_least, 100.0, None)
    assert cell.spread(1) == "≥ 90.5"
    assert cell.episodes == 30


def test_where_none_is_won_too_and_for_a_single_seed() -> None:
    cell = cell_statistics([0.0], wins(0), PERCENT)
    assert cell.at_most == pytest.approx(100 * (1 - 0.05**0.1), rel=1e-12)
    assert (cell.low, cell.high, cell.sd, cell.at_least) == (0.0, cell.at_most, None, None)
    assert cell.spread(1) == "≤ 25.9"


def test_the_bound_is_clopper_and_pearsons() -> None:
    for episodes in (1, 8, 100, 500):
        exact = stats.binomtest(0, episodes, alternative="less").proportion_ci(0.95)
        assert other_scores(episodes) == pytest.approx(exact.high, rel=1e-9)  # scipy finds a root


def test_without_episodes_equal_seeds_have_no_bound() -> None:
    cell = cell_statistics([100.0] * 3, bounds=PERCENT)
    assert (cell.kind, cell.spread(1), cell.noise) == ("student", "0.0", None)


def test_one_seed_or_none_has_no_interval() -> None:
    one = cell_statistics([4.0])
    assert (one.mean, one.sd, one.low, one.high, one.kind) == (4.0, None, None, None, "none")
    assert one.spread(1) == "—"
    none = cell_statistics([])
    assert (none.n, none.mean, none.sd, none.low) == (0, None, None, None)


def test_seeds_at_or_above_a_threshold_are_counted() -> None:
    cell = cell_statistics([49.9, 50.0, 80.0], threshold=50)
    assert cell.seeds_above(0) == "2 of 3 seeds at or above 50"
    assert cell_statistics([1.0], threshold=2).seeds_above(1) == "0 of 1 seed at or above 2.0"
    assert cell_statistics([1.0]).seeds_above(1) == ""


@pytest.mark.parametrize("values", [[math.nan], [math.inf, 0.0], [[1.0]]])
def test_what_is_no_value_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="one finite value per seed"):
        cell_statistics(values)


def test_episodes_of_other_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="2 seeds, but episodes of 1"):
        cell_statistics([1.0, 2.0], [[1.0]])


def test_the_area_is_that_of_trapezoids_over_any_grid() -> None:
    # 0..10 rises from 0 to 4: 20; 10..30 stays at 4: 80; over 30
    assert area_under_curve([0, 10, 30], [0, 4, 4]) == pytest.approx(100 / 30, rel=1e-15)
    assert area_under_curve([0], [1.0]) is None


def test_thresholds_lie_on_the_way_from_worst_to_best() -> None:
    assert thresholds(PERCENT) == (25.0, 50.0, 75.0)


def test_env_steps_to_a_threshold_are_the_first_evaluation_there() -> None:
    steps = [0, 1000, 2000, 3000]
    curves = [(steps, [0, 60, 40, 90]), (steps, [0, 0, 0, 50]), (steps, [0, 0, 0, 49])]
    found = sample_efficiency(curves, 50)
    assert found.steps == (1000, 3000, None)
    assert (found.reached, found.median) == (2, 3000.0)
    assert found.text() == "3000 (2 of 3 seeds)"


@pytest.mark.parametrize(
    ("steps", "median"),
    [([5, None, None], None), ([4, 8], 6.0), ([4, None], None), ([2, 4, 8, None], 6.0), ([], None)],
)
def test_a_seed_that_never_gets_there_takes_longest(
    steps: list[int | None], median: float | None
) -> None:
    curves = [([0, step or 1], [0.0, float(step is not None)]) for step in steps]
    assert sample_efficiency(curves, 1.0).median == median


def test_never_is_said() -> None:
    assert sample_efficiency([([0, 10], [0.0, 1.0])], 5.0).text() == "never (0 of 1 seeds)"


def test_where_all_episodes_of_a_point_got_the_same_the_curve_has_the_bound_of_a_cell() -> None:
    values = np.array([[100.0, 100.0, 0.0, 100.0], [100.0, 50.0, 0.0, np.nan]])
    episodes = np.full((2, 4), 32)
    low, high = unanimous_bands(values, episodes, (0.0, 100.0))
    cell = cell_statistics(np.array([100.0, 100.0]), [np.full(32, 100.0)] * 2, (0.0, 100.0))
    assert low[0] == pytest.approx(cell.low)
    assert (high[0], np.isnan(low[1]), low[2]) == (100.0, True, 0.0)
    assert high[2] == pytest.approx(100.0 - low[0])
    assert low[3] == pytest.approx(100 * 0.05 ** (1 / 32))  # of the one seed that is there
    unknown = unanimous_bands(values, np.zeros((2, 4), np.int64), (0.0, 100.0))
    assert np.isnan(unknown).all()
