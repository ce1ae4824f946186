"""The figure shows the numbers of the files, each label in its own look."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from numpy.typing import NDArray

from marlbench.host import load_catalogue
from marlbench.report.bands import band, spread_labels
from marlbench.report.curves import draw
from marlbench.report.looks import Look, looks_of
from marlbench.report.scores import Cell, cells, read_runs
from marlbench.report.statistics import student_bands, student_interval

Record = Callable[..., Path]


def the_cells(results: Path) -> tuple[Cell, ...]:
    return cells(read_runs(results))


def test_the_band_is_mean_interval_and_sample_sd_at_each_grid_point(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [0.0, 2.0])
    record("qmix", 1, [0.0, 4.0])
    (cell,) = the_cells(results)
    middle = band(cell)
    assert middle is not None
    np.testing.assert_array_equal(middle.steps, [0, 1000])
    np.testing.assert_array_equal(middle.mean, [0.0, 3.0])
    np.testing.assert_array_equal(middle.sd, [0.0, np.sqrt(2.0)])
    np.testing.assert_array_equal(middle.n, [2, 2])
    # Student's t of 95 % with one degree of freedom is 12.7062; sd / sqrt(2) = 1
    np.testing.assert_allclose(middle.high - middle.mean, [0.0, 12.7062], rtol=1e-5)
    np.testing.assert_allclose(middle.seconds, [0.0, 10.0])


def test_the_interval_of_a_curve_is_that_of_a_cell_at_every_point() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 100, (4, 7))
    noise = rng.uniform(0, 30, (4, 7))
    values[3, 5:] = np.nan
    low, high = student_bands(values, noise, (0.0, 100.0))
    for k in range(7):
        there = np.isfinite(values[:, k])
        floor = float(np.sqrt((noise[there, k] ** 2).mean()))
        assert student_interval(values[there, k], floor, (0.0, 100.0)) == pytest.approx(
            (low[k], high[k]), rel=1e-12
        )  # the same sums in another order


def test_bands_stay_inside_the_declared_bounds(results: Path, record: Record) -> None:
    for seed, value in enumerate([0.1, 1.0, 1.0]):
        record("qmix", seed, [value, value], metric="win")
    middle = band(the_cells(results)[0])
    assert middle is not None
    assert middle.low.min() >= 0.0
    assert middle.high.max() == 100.0


def test_a_mean_is_over_the_seeds_that_are_there_and_fades(results: Path, record: Record) -> None:
    record("qmix", 0, [1.0, 2.0, 3.0])
    record("qmix", 1, [3.0, 4.0], ended="no")
    record("qmix", 2, [100.0], ended="failed")
    (cell,) = the_cells(results)
    middle = band(cell)
    assert middle is not None
    np.testing.assert_array_equal(middle.steps, [0, 1000, 2000])
    np.testing.assert_array_equal(middle.mean, [2.0, 3.0, 3.0])
    np.testing.assert_array_equal(middle.n, [2, 2, 1])
    (axis,) = draw([cell]).axes
    faded = {line.get_alpha() for line in axis.lines if line.get_linewidth() > 1}
    assert faded == {1.0, 0.5}


def test_a_label_whose_every_seed_failed_has_no_mean(results: Path, record: Record) -> None:
    record("qmix", 0, [1.0, 2.0], ended="failed")
    (cell,) = the_cells(results)
    assert band(cell) is None
    assert draw([cell]).axes[0].lines  # its seed is still drawn


def test_an_algorithm_looks_as_it_declares_and_its_variants_are_shades(
    results: Path, record: Record
) -> None:
    declared = {"colour": "#0072B2", "dash": "dashed", "marker": "square"}
    for label in ("mbvd", "mbvd-a", "mbvd-b"):
        record(label, 0, [0.0, 1.0], algorithm="mbvd", appearance=declared)
    first, *variants = looks_of(the_cells(results)).values()
    assert first == Look("#0072B2", "dashed", "square", filled=True)
    assert len({first.colour, *(look.colour for look in variants)}) == 3
    assert {(look.dash, look.marker) for look in variants} == {("dashed", "square")}


def test_many_variants_of_an_algorithm_are_each_their_own(results: Path, record: Record) -> None:
    declared = {"colour": "#D35400", "dash": "dotted", "marker": "square"}
    record("mappo", 0, [0.0, 1.0], appearance={"colour": "#117A65", "dash": "solid"})
    for label in ("mbvd", *(f"mbvd-{letter}" for letter in "abcdefghij")):
        record(label, 0, [0.0, 1.0], algorithm="mbvd", appearance=declared)
    looks = looks_of(the_cells(results))
    assert (looks["mappo"].colour, looks["mbvd"].colour) == ("#117A65", "#D35400")
    assert len(set(looks.values())) == len(looks) == 12  # of 6 spare colours, filled and hollow
    for look in looks.values():
        assert contrast(look.colour) >= 3, look  # on white; 3 is what WCAG asks of graphics


def contrast(colour: str) -> float:
    """The contrast of a colour with white, 1 to 21 (WCAG 2.2)."""
    channels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05))


def test_an_algorithm_that_declares_no_look_has_the_same_in_every_report(
    results: Path, record: Record, tmp_path: Path
) -> None:
    record("theirs", 0, [0.0, 1.0])
    alone = looks_of(the_cells(results))["theirs"]
    record("alpha", 0, [0.0, 1.0])
    record("qmix", 0, [0.0, 1.0], appearance={"colour": "#009E73"})
    assert looks_of(the_cells(results))["theirs"] == alone


def test_our_algorithms_are_told_apart_in_grey_and_by_the_colour_blind() -> None:
    entries = load_catalogue().algorithms.values()
    ours = [each.appearance for each in entries if each.appearance.colour]
    assert len(ours) >= 9
    for one, other in combinations(ours, 2):
        assert (one.dash, one.marker) != (other.dash, other.marker)
    papers = {"dmawm", "mamba", "mappo", "mat", "mbvd", "qmix"}
    paper = [each.appearance for each in entries if each.name in papers]
    for one, other in combinations(paper, 2):
        assert one.marker != other.marker or one.dash != other.dash
        for seen in (np.eye(3), DEUTERANOPIA):
            apart = np.linalg.norm(lab(one.colour, seen) - lab(other.colour, seen))
            assert apart > 15, (one, other)  # 2.3 is just noticeable; a thin line needs far more


DEUTERANOPIA = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
"""Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB."""


def lab(colour: str, seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of a colour as somebody sees it who has this matrix for eyes."""
    coded = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ np.clip(seen @ linear, 0, 1) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_a_label_that_was_trained_for_longer_is_a_dashed_level_line(
    results: Path, record: Record
) -> None:
    for seed in range(2):
        record("qmix", seed, [0.0, 1.0, 2.0])
        record("mappo", seed, [float(seed)] * 31)
    (axis,) = draw(the_cells(results)).axes
    assert axis.get_xlim() == (0, 2000)
    (level,) = [line for line in axis.lines if line.get_linewidth() == 1.0]
    np.testing.assert_array_equal(np.asarray(level.get_ydata()), [0.5, 0.5])
    assert [text.get_text() for text in axis.texts] == ["mappo, 30k steps", "qmix"]


def test_long_names_leave_the_lines_room_and_are_not_cut_off(results: Path, record: Record) -> None:
    for label in ("qmix-gamma=0.9-learning_rate=0.0005-hidden=128", "mat"):
        record(label, 0, [1.0, 2.0])
        record(label, 0, [1.0, 2.0], task="mpe/spread")
    figure = draw(the_cells(results))
    figure.draw_without_rendering()
    for axis in figure.axes:
        assert axis.get_position().width > 0.15
        for name in axis.texts:
            assert name.get_window_extent().x1 <= figure.bbox.x1
    assert {len(name.get_text()) for name in figure.axes[0].texts} == {20, 3}


def test_a_label_looks_the_same_in_every_panel(results: Path, record: Record) -> None:
    record("mat", 0, [1.0, 2.0])
    record("qmix", 0, [1.0, 2.0])
    record("qmix", 0, [1.0, 2.0], task="mpe/spread")
    both, alone = draw(the_cells(results)).axes[::-1]
    assert [axis.get_title() for axis in (alone, both)] == ["mpe/spread", "skirmish/3m"]
    assert alone.lines[0].get_color() == both.lines[1].get_color() != both.lines[0].get_color()


def test_win_axes_are_percent_from_0_to_100(results: Path, record: Record) -> None:
    record("qmix", 0, [0.2, 0.4], metric="win")
    (axis,) = draw(the_cells(results)).axes
    assert axis.get_ylim() == (0, 100)
    assert axis.get_ylabel() == "win rate (%)"
    np.testing.assert_array_equal(np.asarray(axis.lines[0].get_ydata()), [20.0, 40.0])


@pytest.mark.parametrize("label", ["$x^2$", "_hidden", "a\\b & {c} 50%"])
def test_names_at_the_ends_of_lines_are_literal(results: Path, record: Record, label: str) -> None:
    record(label, 0, [1.0, 2.0])
    figure = draw(the_cells(results))
    (name,) = figure.axes[0].texts
    assert name.get_text() == label
    assert not name.get_parse_math()


def test_letters_are_at_least_seven_points_and_a_column_wide(results: Path, record: Record) -> None:
    for task in ("mpe/spread", "skirmish/3m", "skirmish/2m"):
        record("qmix", 0, [1.0, 2.0], task=task)
    figure = draw(the_cells(results))
    assert figure.get_figwidth() == 5.5
    texts = [text for axis in figure.axes for text in axis.findobj(Text) if text.get_text()]
    assert min(float(text.get_fontsize()) for text in texts) >= 7


def test_names_do_not_stand_on_each_other() -> None:
    wanted = [3.0, 3.1, 3.2, 9.9, 0.0]
    heights = spread_labels(wanted, 1.0, 0.0, 10.0)
    ordered = sorted(heights)
    assert min(b - a for a, b in pairwise(ordered)) >= 1.0 - 1e-9
    assert ordered[0] >= 0.0
    assert ordered[-1] <= 10.0
    assert [heights[k] for k in np.argsort(wanted)] == ordered
