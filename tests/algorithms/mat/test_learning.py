"""MAT finds what is known to be best, and values a time-out as it is told to."""

from __future__ import annotations

import pytest

from marlbench.plugin import Env
from marlbench_mat import marlbench_algorithms
from tests.algorithms.on_policy import GAMES, finds, insist_on_the_worth_of_a_time_out

(MAT,) = marlbench_algorithms()


@pytest.mark.slow
@pytest.mark.parametrize(("env", "best", "seed"), GAMES)
def test_the_best_return_is_found(env: type[Env], best: float, seed: int) -> None:
    assert finds(MAT, env, best, seed)


@pytest.mark.slow
@pytest.mark.parametrize("bootstrap", [False, True])
def test_a_time_out_is_worth_what_the_setting_says(bootstrap: bool) -> None:
    insist_on_the_worth_of_a_time_out(MAT, bootstrap_timeouts=bootstrap)
