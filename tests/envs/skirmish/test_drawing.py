"""Pictures of skirmish: who is where, who shoots at whom, and what gatherers see."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from marlbench.drawing import AGENT, ENEMY
from marlbench.vecenv.single import build_single
from marlbench_skirmish import marlbench_suites, render
from marlbench_skirmish.config import Config
from marlbench_skirmish.drawing import ENLARGED, shots, unit
from marlbench_skirmish.scripted import focus_fire

(SUITE,) = marlbench_suites()
single = partial(build_single, SUITE)


def test_units_are_drawn_where_they_stand_in_their_teams_colour() -> None:
    env: Any = single("mixed", Config())
    env.reset(0)
    world = env.vector.world
    units = [unit(world, n, 9.0) for n in range(10)]
    assert [u.colour for u in units] == [AGENT] * 5 + [ENEMY] * 5
    assert [u.mark for u in units[:5]] == ["r", "r", "m", "m", "h"]
    assert [u.sight for u in units] == [9.0] * 5 + [0.0] * 5
    assert [(u.x, u.y) for u in units] == list(
        zip(world.x[0].tolist(), world.y[0].tolist(), strict=True)
    )
    assert {u.health for u in units} == {1.0}


def test_shots_are_those_that_cost_health() -> None:
    env: Any = single("3v3", Config())
    step, world, fired = env.reset(0), env.vector.world, 0
    assert list(shots(world)) == []
    while not step.last:
        before = world.health[0].copy()
        step = env.step(focus_fire(step, env.spec))
        targets = {shot.target for shot in shots(world)}
        assert targets == set(np.flatnonzero(world.health[0] < before).tolist())
        fired += len(targets)
    assert fired > 10
    env.reset(1)
    assert list(shots(world)) == []  # those of the last episode are over


def test_a_picture_shows_both_teams_and_gatherers_their_own_pictures() -> None:
    env: Any = single("3v3", Config())
    env.reset(0)
    picture = render(env.vector)
    for colour in (AGENT, ENEMY):
        assert (picture == colour).all(-1).sum() > 100
    gather: Any = single("gather44", Config())
    seen = gather.reset(0).obs  # (A, 44, 44, 3)
    picture = render(gather.vector)
    side = 44 * ENLARGED
    assert np.array_equal(picture[::ENLARGED, :side:ENLARGED], seen[0])
    assert np.array_equal(picture[::ENLARGED, -side::ENLARGED], seen[1])
