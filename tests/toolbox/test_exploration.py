"""Exploring is a function of its key, stays within what is available and has its frequencies."""

from __future__ import annotations

import numpy as np
import pytest

from marlbench.toolbox.exploration import epsilon_greedy, greedy, linear_schedule


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_frequencies_of_actions(epsilon: float) -> None:
    value = np.array([5.0, 1.0, 4.0, 3.0])
    avail = np.array([False, True, True, True])
    many = 19_200
    uniforms = np.random.default_rng(1).random((many, 5))
    taken = epsilon_greedy(
        np.broadcast_to(value, (many, 4)), np.broadcast_to(avail, (many, 4)), epsilon, uniforms
    )
    share = np.bincount(taken, minlength=4) / many
    expected = epsilon * avail / 3 + (1 - epsilon) * np.array([0, 0, 1, 0])
    np.testing.assert_allclose(share, expected, atol=0.02)  # 19 200 draws: 5 deviations of 0.0036
    assert share[0] == 0


def test_a_lone_available_action_is_always_taken() -> None:
    avail = np.zeros((50, 3), bool)
    avail[:, 0] = True  # a dead agent
    value = np.random.default_rng(0).standard_normal((50, 3))
    assert (greedy(value, avail) == 0).all()
    assert (epsilon_greedy(value, avail, 1.0, np.random.default_rng(0).random((50, 4))) == 0).all()


def test_the_schedule_is_a_line_and_then_flat() -> None:
    values = [linear_schedule(step, 1.0, 0.05, 100_000) for step in (0, 50_000, 100_000, 10**9)]
    np.testing.assert_allclose(values, [1.0, 0.525, 0.05, 0.05], rtol=1e-12)  # float64
