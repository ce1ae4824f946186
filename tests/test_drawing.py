"""The board that suites draw on: places, colours, health, shots, the fallen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.drawing import AGENT, ENEMY, Disc, Shot, board, side_by_side


def centre(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> tuple[float, float]:
    """Give the mean place (x to the right, y upwards) of a colour, in shares of the picture."""
    rows, columns = np.nonzero((picture == colour).all(-1))
    height, width, _ = picture.shape
    return float(columns.mean() / width), float(1 - rows.mean() / height)


def count(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> int:
    """Count the pixels of a colour."""
    return int((picture == colour).all(-1).sum())


def test_discs_are_drawn_where_they_stand_with_y_upwards() -> None:
    picture = board(10.0, [Disc(2, 8, 0.5, AGENT), Disc(7, 1, 0.5, ENEMY)])
    # the map is drawn with a rim of 4 in a hundred of its side; half a pixel of 360 is 0.002
    for colour, place in ((AGENT, (2, 8)), (ENEMY, (7, 1))):
        at = [(0.4 + p) / 10.8 for p in place]
        assert centre(picture, colour) == pytest.approx(at, abs=0.003)


def test_a_disc_covers_its_area_and_what_is_at_the_edge_is_seen_whole() -> None:
    area = np.pi * (0.3 * 360 / 10.8) ** 2
    for x, y in ((5, 5), (0, 0), (10, 10)):
        covered = count(board(10.0, [Disc(x, y, 0.3, AGENT)]), AGENT)
        # its outline, of one pixel, has another colour: 2 of the 10 pixels of its radius
        assert 0.6 * area < covered < area


def test_health_is_a_bar_as_long_as_what_is_left_and_the_fallen_are_a_cross() -> None:
    def bar(health: float) -> int:
        return count(board(10.0, [Disc(5, 5, 1.0, AGENT, health=health)]), (60, 150, 80))

    assert bar(0.5) == pytest.approx(bar(1.0) / 2, rel=0.1)  # whole pixels
    assert bar(0.0) == 0
    fallen = board(10.0, [Disc(5, 5, 1.0, AGENT, health=0.0, sight=3.0)])
    assert count(fallen, AGENT) == 0
    assert not np.array_equal(fallen, board(10.0, []))


def test_a_shot_is_a_line_in_the_colour_of_who_fires() -> None:
    discs = [Disc(2, 5, 0.3, AGENT), Disc(8, 5, 0.3, ENEMY)]
    plain, shot, back = (board(10.0, discs, s) for s in ([], [Shot(0, 1)], [Shot(1, 0)]))
    middle = slice(160, 200)
    assert count(plain[:, middle], AGENT) == count(plain[:, middle], ENEMY) == 0
    assert count(shot[:, middle], AGENT) >= 40 > count(shot[:, middle], ENEMY)
    assert count(back[:, middle], ENEMY) >= 40
    both = board(10.0, discs, [Shot(0, 1), Shot(1, 0)])  # neither hides the other
    assert min(count(both[:, middle], AGENT), count(both[:, middle], ENEMY)) >= 40


def test_marks_sight_and_lines_change_the_picture() -> None:
    plain = board(10.0, [Disc(5, 5, 1.0, AGENT)])
    for other in (
        board(10.0, [Disc(5, 5, 1.0, AGENT, mark="m")]),
        board(10.0, [Disc(5, 5, 1.0, AGENT, sight=4.0)]),
        board(10.0, [Disc(5, 5, 1.0, AGENT)], cell=1.0),
    ):
        assert other.shape == plain.shape
        assert not np.array_equal(other, plain)


def test_pictures_stand_side_by_side_enlarged() -> None:
    pictures = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    joined = side_by_side(pictures, scale=5, gap=2)
    assert joined.shape == (15, 42, 3)
    assert np.array_equal(joined[::5, :20:5], pictures[0])
    assert np.array_equal(joined[::5, 22::5], pictures[1])
