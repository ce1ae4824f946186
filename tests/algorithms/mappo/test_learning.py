"""MAPPO and IPPO find what is known to be best, and value a time-out as they are told to."""

from __future__ import annotations

import pytest

from marlbench.plugin import Env
from marlbench_mappo import marlbench_algorithms
from tests.algorithms.on_policy import GAMES, finds, insist_on_the_worth_of_a_time_out

ENTRIES = {entry.name: entry for entry in marlbench_algorithms()}


@pytest.mark.slow
@pytest.mark.parametrize(("env", "best", "seed"), GAMES)
@pytest.mark.parametrize("name", ENTRIES)
def test_the_best_return_is_found(name: str, env: type[Env], best: float, seed: int) -> None:
    assert finds(ENTRIES[name], env, best, seed)


@pytest.mark.slow
@pytest.mark.parametrize("bootstrap", [False, True])
@pytest.mark.parametrize("name", ENTRIES)
def test_a_time_out_is_worth_what_the_setting_says(name: str, bootstrap: bool) -> None:
    # without a GRU, as with one, time can be told
    settings = {"bootstrap_timeouts": bootstrap, "recurrent": False}
    insist_on_the_worth_of_a_time_out(ENTRIES[name], **settings)
