"""Pictures of skirmish: who is where, who shoots at whom, and what gatherers see."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from marlbench.drawing import AGENT, ENEMY
from marlbench.vecenv.single import build_single
from marlbench_skirmish import draw_observation, marlbench_suites, render
from marlbench_skirmish.config import Config
from marlbench_skirmish.drawing import ENLARGED, discs_seen, shots, unit
from marlbench_skirmish.scripted import focus_fire
from marlbench_skirmish.tasks import TASKS

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


@pytest.mark.parametrize("task", ["3v3", "rand_5v5"])
def test_an_observation_is_drawn_as_those_stand_whom_the_agent_sees(task: str) -> None:
    env: Any = single(task, Config())
    step, world = env.reset(0), env.vector.world
    played = 0
    while not step.last:
        for agent in range(world.agents):
            found = discs_seen(TASKS[task], 9.0, step.obs[agent])
            whole = [unit(world, n, 9.0) for n in range(world.agents + world.enemies)]
            if not step.alive[agent]:
                assert found == []
                continue
            me = whole[agent]
            near = [
                each
                for each in whole
                if each.health and np.hypot(each.x - me.x, each.y - me.y) <= 9.0
            ]
            told = {(each.colour, each.mark, round(each.x, 2), round(each.y, 2)) for each in found}
            assert told == {(e.colour, e.mark, round(e.x, 2), round(e.y, 2)) for e in near}
            assert found[0].sight == 9.0
            healths = sorted(float(each.health or 0) for each in near)
            np.testing.assert_allclose(sorted(e.health or 0 for e in found), healths, atol=1e-5)
        step = env.step(focus_fire(step, env.spec))
        played += 1
    assert played > 10
    shown = [
        draw_observation(task, Config(), each) for each in (step.obs[0], np.zeros(len(step.obs[0])))
    ]
    assert shown[0].shape == shown[1].shape
