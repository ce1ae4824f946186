"""VMAS as it is without us, copies apart, ends, wins and pictures."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from marlbench.testing.sameness import difference
from marlbench.vecenv.random_play import random_actions, random_episode
from marlbench.vecenv.single import build_single, render
from marlbench.vecenv.synchronous import unstack
from marlbench_vmas import build_vector, marlbench_suites
from marlbench_vmas.config import Config

vmas = pytest.importorskip("vmas")
(SUITE,) = marlbench_suites()
SHORT = Config(limit=12)


def raw(task: str, seed: int) -> Any:
    """A world of one copy that stands where our episode of this seed begins."""
    world = vmas.make_env(task, 1, terminated_truncated=True, seed=0)
    world.seed(seed)
    world.reset_at(0)
    return world


@pytest.mark.parametrize("task", SUITE.tasks)
def test_an_episode_is_vmas_own(task: str) -> None:
    env, world, rng = build_single(SUITE, task, SHORT), raw(task, 7), np.random.default_rng(7)
    step = env.reset(7)
    (seen,) = world.get_from_scenario(True, False, False, False)
    while not step.last:
        np.testing.assert_array_equal(step.obs, [np.asarray(each)[0] for each in seen])
        actions = random_actions(env.spec, step, rng)
        seen, rewards, *_ = world.step([actions[None, i] for i in range(len(actions))])
        step = env.step(actions)
        np.testing.assert_array_equal(step.reward, [float(each[0]) for each in rewards])
        team = env.spec.reward == "individual" or len(set(step.reward.tolist())) == 1
        assert team


def test_a_copy_plays_the_same_whoever_is_beside_it() -> None:
    """The rod's end touches agents in one copy only where vmas looks at the pair for another."""
    many, seeds = build_vector("balance", Config(), 3), np.arange(3)
    lone = [build_vector("balance", Config(), 1) for _ in seeds]
    together, alone = many.reset(seeds), [env.reset(seeds[i : i + 1]) for i, env in enumerate(lone)]
    rng = np.random.default_rng(7)
    for time in range(130):
        apart = [unstack(step)[0] for step in alone]
        assert difference(unstack(together), apart) is None, time
        actions = np.stack([random_actions(many.spec, step, rng) for step in apart])
        seeds = seeds + 3
        together = many.step(actions, seeds)
        alone = [env.step(actions[i : i + 1], seeds[i : i + 1]) for i, env in enumerate(lone)]


def test_copies_in_the_middle_of_episodes_go_on_from_their_pickle() -> None:
    env, rng = build_vector("balance", SHORT, 3), np.random.default_rng(0)
    step = env.reset(np.arange(3))
    for time in range(17):  # beyond the first ends
        step = env.step(random_actions(env.spec, step, rng), 10 * time + np.arange(3))
    twin = pickle.loads(pickle.dumps(env))
    for time in range(15):
        actions, seeds = random_actions(env.spec, step, rng), 1000 + 10 * time + np.arange(3)
        step, same = env.step(actions, seeds), twin.step(actions, seeds)
        assert difference(step, same) is None, time


def test_a_limit_is_a_time_out_and_a_fall_a_lost_end() -> None:
    still = list(random_episode(build_single(SUITE, "transport", SHORT), 0))
    assert (len(still), still[-1].last, still[-1].terminal) == (13, True, False)
    env, ends = build_single(SUITE, "balance", Config()), []
    for seed in range(6):
        *_, end = random_episode(env, seed)
        ends.append((end.terminal, end.info["won"], bool((end.reward < -5).all())))
    assert (True, False, True) in ends  # the rod has fallen, which costs 10
    assert not any(won for _, won, _ in ends)


def test_a_package_that_is_brought_to_its_goal_is_won() -> None:
    env = build_vector("transport", Config(), 1)
    env.reset(np.array([3]))
    package = env.world.world.landmarks[1]  # type: ignore[attr-defined]
    package.set_pos(package.goal.state.pos.clone(), batch_index=None)
    step = env.step(np.zeros((1, 4, 2), np.float32), np.zeros(1, np.int64))
    assert (step.last.tolist(), step.terminal.tolist()) == ([True], [True])
    assert step.info["won"].tolist() == [True]


def test_the_number_of_agents_can_be_set() -> None:
    env = build_single(SUITE, "navigation", Config(agents=3))
    assert env.spec.num_agents == 3
    assert env.reset(0).obs.shape == (3, *env.spec.obs_shape)


@pytest.mark.parametrize("task", SUITE.tasks)
def test_pictures_show_where_things_are(task: str) -> None:
    env = build_single(SUITE, task, SHORT)
    step = env.reset(1)
    before = render(SUITE, env)
    env.step(np.ones((*step.avail.shape,), np.float32))
    after = render(SUITE, env)
    assert before.shape == after.shape == (360, 360, 3)
    assert 0 < (before != after).any(-1).mean() < 0.2


def test_unknown_tasks_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="it has balance, transport, navigation"):
        build_vector("football", Config(), 1)
