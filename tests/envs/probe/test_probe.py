"""Probes: what their docstrings promise, found by playing every possible game."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Sequence

import numpy as np
import pytest

from marlbench.plugin import Config, Env, Step
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.single import build_single
from marlbench_probe import TASKS, build, marlbench_suites


def play(env: Env, seed: int, joint_actions: Sequence[Sequence[int]]) -> list[Step]:
    """Give the steps of an episode, ended with it or with the joint actions."""
    steps = [env.reset(seed)]
    for actions in joint_actions:
        if steps[-1].last:
            break
        steps.append(env.step(np.array(actions)))
    return steps


def total(steps: Sequence[Step]) -> float:
    """Give the return."""
    return float(sum(step.reward[0] for step in steps))


@pytest.mark.parametrize("task", TASKS)
def test_steps_have_the_shapes_and_types_of_the_spec(task: str) -> None:
    env = build(task, Config())
    spec, rng = env.spec, np.random.default_rng(0)
    for seed in range(6):
        step, length = env.reset(seed), 0
        assert step.first
        assert not step.reward.any()
        while not step.last:
            assert step.obs.shape == (spec.num_agents, *spec.obs_shape)
            assert step.obs.dtype.name == spec.obs_dtype
            assert step.avail.shape == (spec.num_agents, spec.num_actions)
            assert {step.avail.dtype.name, step.alive.dtype.name} == {"bool"}
            assert (step.reward.shape, step.reward.dtype.name) == ((spec.num_agents,), "float32")
            assert spec.state_shape == (None if step.state is None else step.state.shape)
            step = env.step(random_actions(spec, step, rng))
            length += 1
            assert not step.first
        assert length <= spec.episode_limit


@pytest.mark.parametrize(
    ("task", "best", "worst"), [("two_step", 8, 0), ("matrix", 8, 0), ("climbing", 11, -30)]
)
def test_best_and_worst_play_of_the_games(task: str, best: float, worst: float) -> None:
    env = build(task, Config())
    joint = list(itertools.product(range(env.spec.num_actions), repeat=2))
    games = [play(env, 0, p) for p in itertools.product(joint, repeat=env.spec.episode_limit)]
    returns = [total(steps) for steps in games]
    assert (max(returns), min(returns)) == (best, worst) == (env.spec.metrics[0].bounds or ())[::-1]
    assert all(steps[-1].terminal for steps in games)


def test_the_safe_room_of_the_two_step_game_pays_seven() -> None:
    env = build("two_step", Config())
    for actions in itertools.product(range(2), repeat=2):
        steps = play(env, 0, [(0, 1), actions])
        assert total(steps) == 7.0
        assert steps[1].obs.tolist() == [[0.0, 1.0, 0.0]] * 2


@pytest.mark.parametrize("seed", range(20, 30))
def test_counting_says_step_agent_and_episode(seed: int) -> None:
    steps = play(build("counting", Config()), seed, [(0, 0)] * 10)
    length = 3 + seed % 5
    assert [step.obs.tolist() for step in steps] == [
        [[t, 0, seed], [t, 1, seed]] for t in range(length + 1)
    ]
    assert [step.reward.tolist() for step in steps] == [[t, t] for t in range(length + 1)]
    assert steps[-1].terminal == (seed % 2 == 0)
    assert total(steps) == length * (length + 1) / 2


def deaths_games() -> list[list[Step]]:
    """Play every game of `deaths` that its masks allow."""
    env = build("deaths", Config())
    games, prefixes = [], [[]]  # type: ignore[var-annotated]
    while prefixes:
        prefix = prefixes.pop()
        steps = play(env, 0, prefix)
        if steps[-1].last:
            games.append(steps)
            continue
        choices = [np.flatnonzero(row).tolist() for row in steps[-1].avail]
        prefixes += [[*prefix, actions] for actions in itertools.product(*choices)]
    return games


def test_the_best_of_all_games_of_deaths_returns_ten() -> None:
    returns = [total(steps) for steps in deaths_games()]
    assert (max(returns), min(returns)) == (10.0, 0.0)


def test_the_dead_see_nothing_and_may_only_do_nothing() -> None:
    for steps in deaths_games():
        for before, after in itertools.pairwise(steps):
            assert (after.alive <= before.alive).all()
        for step in steps:
            assert not step.obs[~step.alive].any()
            assert step.obs[step.alive].any(-1).all()
            assert (step.avail[:, 0] == ~step.alive).all()
            assert (step.avail[:, 1:] == step.alive[:, None]).all()


def test_plain_ways_to_play_deaths_return_what_they_promise() -> None:
    env = build("deaths", Config())
    assert total(play(env, 0, [(3, 3)])) == 6.0
    assert total(play(env, 0, [(2, 2), (2, 2), (2, 0), (2, 0)])) == 6.0
    assert total(play(env, 0, [(2, 2), (2, 3), (2, 0), (3, 0)])) == 10.0
    with pytest.raises(ValueError, match="0 is for the dead alone"):
        play(env, 0, [(0, 1)])


def test_time_runs_out_without_an_end() -> None:
    steps = play(build("timeout", Config()), 0, [(0, 1)] * 20)
    assert len(steps) == 11
    assert total(steps) == 10.0
    assert (steps[-1].last, steps[-1].terminal) == (True, False)
    assert len(np.unique([step.obs for step in steps])) == 1


def test_the_bright_quarter_is_what_pays() -> None:
    env = build("pixels", Config())
    for seed in range(5):
        step, paid = env.reset(seed), 0.0
        while not step.last:
            quarters = step.obs.max(-1).reshape(2, 2, 12, 2, 12).mean((2, 4))  # (A, row, column)
            step = env.step(quarters.reshape(2, 4).argmax(-1))
            paid += float(step.reward[0])
        assert paid == 8.0
        assert step.terminal


@pytest.mark.parametrize("task", TASKS)
def test_a_pickled_copy_has_the_same_future(task: str) -> None:
    env = build(task, Config())
    env.reset(5)
    actions = np.ones(2, np.int64)
    if env.spec.episode_limit > 1:
        env.step(actions)
    twin = pickle.loads(pickle.dumps(env))
    ours, theirs = env.step(actions), twin.step(actions)
    assert np.array_equal(ours.obs, theirs.obs)
    assert np.array_equal(ours.reward, theirs.reward)
    assert ours.last == theirs.last


def test_a_seed_decides_the_pictures() -> None:
    env, other = build("pixels", Config()), build("pixels", Config())
    assert np.array_equal(env.reset(1).obs, other.reset(1).obs)
    assert not np.array_equal(env.reset(1).obs, other.reset(2).obs)


def test_the_suite_offers_its_tasks() -> None:
    (suite,) = marlbench_suites()
    assert suite.tasks == TASKS
    assert suite.default_task == "two_step"
    with pytest.raises(ValueError, match="probe has no task 'no'; it has two_step, "):
        build_single(suite, "no", Config())
