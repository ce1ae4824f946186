"""Any PettingZoo parallel environment: padding, masks, leaving, ends, sharing, pickling."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench.errors import SpecViolation
from marlbench.plugin import Env, Step
from marlbench.vecenv.single import build_single
from marlbench_pettingzoo import build, marlbench_suites
from marlbench_pettingzoo.config import Config


@pytest.fixture(autouse=True)
def _leavers_is_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def leavers(reward: Any = "individual", limit: int = 50, **kwargs: Any) -> Env:
    """Give the awkward environment of `leavers.py`, by its import path."""
    return build("leavers", Config(kwargs=kwargs, reward=reward, limit=limit))


def play(env: Env, seed: int = 0) -> list[Step]:
    """Give the steps of an episode in which everyone plays the first available action."""
    steps = [env.reset(seed)]
    while not steps[-1].last:
        steps.append(env.step(steps[-1].avail.argmax(-1)))
    return steps


def test_unequal_agents_are_padded_and_the_no_op_comes_last() -> None:
    env = leavers()
    assert (env.spec.obs_shape, env.spec.num_actions, env.spec.noop) == ((3,), 4, 3)
    step = env.reset(0)
    draw = np.random.default_rng(0).random()
    assert step.obs == pytest.approx(np.array([[0, 0, 0], [0, draw, 0]]))
    assert step.avail.tolist() == [[True, True, False, False], [True, True, True, False]]
    assert env.spec.state_shape == (6,)
    assert step.state is not None
    assert step.state.tolist() == step.obs.ravel().tolist()


def test_masks_of_the_environment_are_kept() -> None:
    steps = play(leavers())
    assert [step.avail[1].tolist() for step in steps] == [
        [True, t % 2 == 0, t % 2 == 0, False] for t in range(5)
    ]


def test_whoever_leaves_is_dead_and_may_only_do_nothing() -> None:
    steps = play(leavers())
    assert [step.alive.tolist() for step in steps] == [[t < 2, True] for t in range(5)]
    for step in steps[2:]:
        assert not step.obs[0].any()
        assert step.avail[0].tolist() == [False, False, False, True]


def test_actions_are_numbered_from_the_start_of_their_space() -> None:
    env = leavers()
    env.reset(0)
    assert env.step(np.array([1, 2])).reward.tolist() == [6.0, 1.0]


@pytest.mark.parametrize(("reward", "first"), [("individual", [5, 1]), ("sum", [6, 6])])
def test_rewards_are_shared_as_told(reward: str, first: list[float]) -> None:
    env = leavers(reward)
    steps = play(env)
    assert steps[1].reward.tolist() == first
    assert steps[3].reward.tolist() == [float(reward == "sum"), 1.0]  # the dead earn nothing more
    assert env.spec.reward == ("individual" if reward == "individual" else "team")


@pytest.mark.parametrize("end", ["truncated", "terminated"])
def test_truncation_is_a_time_out_and_termination_an_end(end: str) -> None:
    last = play(leavers(end=end))[-1]
    assert last.terminal == (end == "terminated")
    assert last.alive.tolist() == [False, True]


def test_an_agent_terminated_while_time_runs_out_for_another_is_dead() -> None:
    last = play(leavers(together=True))[-1]
    assert not last.terminal
    assert last.alive.tolist() == [False, True]


def test_without_a_no_op_all_who_reach_a_time_out_are_alive() -> None:
    env = build("leavers", Config(kwargs={"together": True}, leaving=False))
    last = play(env)[-1]
    assert last.last
    assert last.alive.all()
    assert last.avail.tolist() == [[True, True, False], [True, True, True]]


def test_longer_episodes_are_cut_as_time_outs() -> None:
    env = leavers(end="terminated", limit=3)
    steps = play(env)
    assert len(steps) == 1 + env.spec.episode_limit == 4
    assert not steps[-1].terminal


def test_an_agent_that_leaves_without_a_no_op_is_an_error() -> None:
    env = build("leavers", Config(leaving=False))
    assert env.spec.noop is None
    with pytest.raises(SpecViolation, match="short has left: with leaving=true agents"):
        play(env)


@pytest.mark.parametrize("task", ["leavers", "pettingzoo.butterfly.knights_archers_zombies_v11"])
def test_a_pickled_copy_has_the_same_future(task: str) -> None:
    env = build(task, Config())
    env.reset(3)
    env.step(np.array([1] * env.spec.num_agents))
    twin = pickle.loads(pickle.dumps(env))
    for _ in range(2):
        actions = np.zeros(env.spec.num_agents, np.int64)
        ours, theirs = env.step(actions), twin.step(actions)
        assert np.array_equal(ours.obs, theirs.obs)
        assert np.array_equal(ours.reward, theirs.reward)


def test_a_copy_that_its_seed_does_not_decide_is_not_resumed() -> None:
    env = build("leavers:Unseeded", Config())
    env.reset(0)
    blob = pickle.dumps(env)
    with pytest.raises(RuntimeError, match="not decided by its seed"):
        pickle.loads(blob)


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("nowhere.at_all", "cannot import 'nowhere.at_all' .*: install its package"),
        ("leavers:nothing", "'leavers' has no 'nothing': the task is package.module:function"),
        ("", "cannot import '' .*: install its package"),
    ],
)
def test_a_wrong_task_is_refused_in_one_line(task: str, reason: str) -> None:
    with pytest.raises(RuntimeError, match=reason) as error:
        build(task, Config())
    assert "\n" not in str(error.value)


def test_the_suite_takes_any_import_path() -> None:
    suite = next(suite for suite in marlbench_suites() if suite.name == "pettingzoo")
    assert suite.open_tasks
    env = build_single(suite, suite.default_task, suite.config())
    assert (env.spec.num_agents, env.spec.obs_shape, env.spec.num_actions) == (3, (18,), 6)
