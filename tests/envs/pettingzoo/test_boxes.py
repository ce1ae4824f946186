"""Environments whose agents say numbers, beside the same ones without us."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from marlbench.errors import SpecViolation
from marlbench.plugin import Suite
from marlbench.testing.suite import check_suite
from marlbench.vecenv.random_play import random_actions, random_episode
from marlbench_pettingzoo import build_mpe, marlbench_suites
from marlbench_pettingzoo.config import Config, MpeConfig
from marlbench_pettingzoo.numbers import actions_of
from marlbench_pettingzoo.parallel import Parallel
from tests.envs.pettingzoo.rounds import Pushing

mpe2 = pytest.importorskip("mpe2")
SUITES: dict[str, Suite] = {suite.name: suite for suite in marlbench_suites()}
UNEQUAL: dict[str, spaces.Space[Any]] = {
    "wide": spaces.Box(-2.0, 1.0, (2, 2)),
    "small": spaces.Box(np.array([0.0], np.float32), np.array([5.0], np.float32)),
}


def test_a_world_of_numbers_is_the_same_without_us() -> None:
    env = build_mpe("simple_spread_2", MpeConfig(continuous_actions=True))
    raw = mpe2.simple_spread_v3.parallel_env(
        N=2, max_cycles=25, local_ratio=0.0, continuous_actions=True
    )
    step, rng = env.reset(5), np.random.default_rng(5)
    seen, _ = raw.reset(seed=5)
    assert (env.spec.actions, env.spec.num_actions, env.spec.noop) == ("box", 5, None)
    assert env.spec.bounds == ((0.0, 1.0),) * 5
    while not step.last:
        np.testing.assert_array_equal(step.obs, np.stack(list(seen.values())))
        actions = random_actions(env.spec, step, rng)
        seen, rewards, *_ = raw.step(dict(zip(raw.agents, actions, strict=True)))
        step = env.step(actions)
        np.testing.assert_allclose(step.reward, list(rewards.values()), rtol=1e-6)


def test_who_has_fewer_numbers_is_asked_for_no_more() -> None:
    suite, config = SUITES["mpe"], MpeConfig(continuous_actions=True)
    env = build_mpe("simple_speaker_listener", config)
    step = env.reset(0)
    assert step.avail.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert suite.actions("simple_speaker_listener", config) == "box"
    assert suite.actions("simple_speaker_listener", MpeConfig()) == "discrete"


@pytest.mark.parametrize("suite", ["mpe", "pettingzoo"])
def test_boxes_keep_every_promise(suite: str) -> None:
    settings: dict[str, Any] = {"continuous_actions": True}
    verdicts = check_suite(
        SUITES[suite], settings=settings if suite == "mpe" else {"kwargs": settings}
    )
    assert [each for each in verdicts if not each.passed] == []
    assert "5 numbers to say" in verdicts[0].detail


def test_numbers_are_given_in_the_agents_own_form_and_within_its_own_bounds() -> None:
    acts = actions_of(UNEQUAL, leaving=False, joint=False)
    assert (acts.kind, acts.count) == ("box", 4)
    assert acts.bounds == ((-2.0, 5.0), *[(-2.0, 1.0)] * 3)
    said = np.array([5.0, 1.0, -2.0, 0.5], np.float32)
    wide, small = acts.native(0, said), acts.native(1, np.array([-2.0, 0.0, 0.0, 0.0], np.float32))
    assert wide.tolist() == [[1.0, 1.0], [-2.0, 0.5]]
    assert UNEQUAL["wide"].contains(wide)
    assert small.tolist() == [0.0]
    assert UNEQUAL["small"].contains(small)


def test_an_agent_that_has_left_has_nothing_to_say() -> None:
    env = Parallel(Pushing(), Config(), "rounds")
    steps = list(random_episode(env, 0))
    assert [step.alive.tolist() for step in steps[1:3]] == [[True, True], [True, False]]
    assert steps[2].avail.tolist() == [[True, True], [False, False]]
    assert sum(float(step.reward[0]) for step in steps) == 5.0


@pytest.mark.parametrize(
    ("spaces_", "said"),
    [
        ({"red": spaces.Box(-1, 1, (2,)), "blue": spaces.Discrete(2)}, "all agents act by one"),
        ({"red": spaces.Box(0, 9, (2,), np.int64)}, "red acts by whole numbers"),
    ],
)
def test_what_is_no_box_of_numbers_is_refused_by_name(spaces_: Any, said: str) -> None:
    with pytest.raises(SpecViolation, match=said):
        actions_of(spaces_, leaving=True, joint=False)
