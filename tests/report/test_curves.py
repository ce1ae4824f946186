"""The figure shows the numbers of the files, each label in its own look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from marlbench.report.curves import band, draw, looks_of
from marlbench.report.scores import Cell, cells, read_runs

Record = Callable[..., Path]


def the_cells(results: Path) -> tuple[Cell, ...]:
    return cells(read_runs(results))


def test_the_band_is_mean_and_sample_std_at_each_grid_point(results: Path, record: Record) -> None:
    record("qmix", 0, [0.0, 2.0])
    record("qmix", 1, [0.0, 4.0])
    (cell,) = the_cells(results)
    middle = band(cell)
    assert middle is not None
    np.testing.assert_array_equal(middle.steps, [0, 1000])
    np.testing.assert_array_equal(middle.mean, [0.0, 3.0])
    np.testing.assert_array_equal(middle.std, [0.0, np.sqrt(2.0)])


def test_only_grid_points_that_all_seeds_reached_enter_the_mean(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [1.0, 2.0, 3.0])
    record("qmix", 1, [3.0, 4.0], ended="no")
    record("qmix", 2, [100.0], ended="failed")
    (cell,) = the_cells(results)
    middle = band(cell)
    assert middle is not None
    np.testing.assert_array_equal(middle.steps, [0, 1000])
    np.testing.assert_array_equal(middle.mean, [2.0, 3.0])


def test_a_label_whose_every_seed_failed_has_no_mean(results: Path, record: Record) -> None:
    record("qmix", 0, [1.0, 2.0], ended="failed")
    (cell,) = the_cells(results)
    assert band(cell) is None
    assert draw([cell]).axes[0].lines  # its seed is still drawn


def test_twenty_labels_have_twenty_looks(results: Path, record: Record) -> None:
    for k in range(20):
        record(f"label {k}", 0, [float(k), 1.0])
    assert len(set(looks_of(the_cells(results)).values())) == 20
    (legend,) = draw(the_cells(results)).legends
    assert len(legend.get_texts()) == 20


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
def test_legend_texts_are_literal(results: Path, record: Record, label: str) -> None:
    record(label, 0, [1.0, 2.0])
    figure = draw(the_cells(results))
    (legend,) = figure.legends
    (text,) = legend.get_texts()
    assert text.get_text() == f"{label} (decentralised)"
    assert not text.get_parse_math()


def test_the_legend_says_how_many_runs_are_unfinished(results: Path, record: Record) -> None:
    record("qmix", 0, [1.0, 2.0])
    record("qmix", 1, [1.0], ended="no")
    (legend,) = draw(the_cells(results)).legends
    (text,) = legend.get_texts()
    assert text.get_text() == "qmix (decentralised; 1/2 runs finished)"
