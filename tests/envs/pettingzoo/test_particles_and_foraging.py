"""The `mpe` and `lbf` suites on the real simulators: sizes, rewards, ends, seeds, pickling."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from marlbench.plugin import Config, Env, Step, Suite
from marlbench.testing import check_suite
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.single import build_single
from marlbench_pettingzoo import LBF_TASKS, MPE_TASKS, importing, marlbench_suites
from marlbench_pettingzoo.foraging import Foraging
from marlbench_pettingzoo.replayed import Replayed

SUITES: dict[str, Suite] = {suite.name: suite for suite in marlbench_suites()}
ALL = [("mpe", task) for task in MPE_TASKS] + [("lbf", task) for task in LBF_TASKS]


def make(name: str, task: str) -> Env:
    """Give one copy of a task."""
    return build_single(SUITES[name], task, SUITES[name].config())


def play(env: Env, seed: int, draws: int = 0) -> list[Step]:
    """Give the steps of an episode of uniform play."""
    rng = np.random.default_rng(draws)
    steps = [env.reset(seed)]
    while not steps[-1].last:
        steps.append(env.step(random_actions(env.spec, steps[-1], rng)))
    return steps


def equal(a: list[Step], b: list[Step]) -> bool:
    """Whether two episodes are the same to the last bit."""
    pairs = zip(a, b, strict=True)
    return all(
        np.array_equal(s.obs, t.obs) and np.array_equal(s.reward, t.reward) for s, t in pairs
    )


@pytest.mark.parametrize(("suite", "task"), ALL)
def test_steps_have_the_shapes_and_types_of_the_spec(suite: str, task: str) -> None:
    env = make(suite, task)
    spec = env.spec
    steps = play(env, 0)
    assert [step.first for step in steps] == [True] + [False] * (len(steps) - 1)
    assert len(steps) <= spec.episode_limit + 1
    for step in steps:
        assert step.state is not None
        assert step.obs.shape == (spec.num_agents, *spec.obs_shape)
        assert step.state.shape == spec.state_shape
        assert step.avail.shape == (spec.num_agents, spec.num_actions)
        assert {a.dtype.name for a in (step.obs, step.state, step.reward)} == {"float32"}
        assert {step.avail.dtype.name, step.alive.dtype.name} == {"bool"}
        assert step.avail.any(-1).all()
        assert step.alive.all()
        assert (step.reward == step.reward[0]).all()


@pytest.mark.parametrize(("suite", "task"), ALL)
def test_a_seed_decides_the_episode_whatever_was_played_before(suite: str, task: str) -> None:
    env, fresh = make(suite, task), make(suite, task)
    play(env, 1)
    assert equal(play(env, 7), play(fresh, 7))
    assert not np.array_equal(env.reset(7).obs, env.reset(8).obs)


@pytest.mark.parametrize(("suite", "task"), ALL)
def test_a_pickled_copy_has_the_same_future(suite: str, task: str) -> None:
    env = make(suite, task)
    step = env.reset(5)
    for _ in range(9):
        step = env.step(step.avail.argmax(-1))
    twin = pickle.loads(pickle.dumps(env))
    while not step.last:
        actions = step.avail.shape[-1] - 1 - step.avail[:, ::-1].argmax(-1)
        step, other = env.step(actions), twin.step(actions)
        assert equal([step], [other])
    assert equal([env.reset(6)], [twin.reset(6)])


@pytest.mark.parametrize("task", MPE_TASKS)
def test_particle_worlds_end_by_time_alone(task: str) -> None:
    steps = play(make("mpe", task), 0)
    assert len(steps) == 26
    assert not steps[-1].terminal


@pytest.mark.parametrize(("task", "mean"), [("simple_spread_2", -41.1), ("simple_spread_3", -53.6)])
def test_uniform_play_of_spread_returns_what_the_readme_says(task: str, mean: float) -> None:
    env = make("mpe", task)
    returns = [sum(float(s.reward[0]) for s in play(env, seed, seed)) for seed in range(60)]
    # the standard deviation of a return is 17, so that of the mean of 60 is 2.2; four of those
    assert np.mean(returns) == pytest.approx(mean, abs=8.8)


def test_spread_pays_everyone_minus_the_distances_of_landmarks_to_their_nearest_agent() -> None:
    for step in play(make("mpe", "simple_spread_2"), 3)[1:]:
        landmarks = step.obs[:, 4:8].reshape(2, 2, 2)  # (A, landmark, x and y)
        nearest = np.sqrt((landmarks**2).sum(-1)).min(0)  # (landmark,)
        assert step.reward == pytest.approx([-nearest.sum()] * 2, abs=1e-5)  # float32 offsets


def test_the_speaker_has_fewer_actions_and_sees_less() -> None:
    env = make("mpe", "simple_speaker_listener")
    step = env.reset(0)
    assert step.avail.sum(-1).tolist() == [3, 5]
    assert (env.spec.obs_shape, env.spec.state_shape) == ((11,), (14,))
    assert not step.obs[0, 3:].any()


def test_masks_of_foraging_allow_what_the_environment_would_do() -> None:
    env = Foraging("Foraging-5x5-2p-1f-coop")
    loads = 0
    for seed in range(20):
        for step in play_foraging(env, seed):
            food = step.obs[0, :2]
            beside = np.abs(step.obs[:, 3:5] - food).sum(-1) == 1  # each sees itself first
            assert (step.avail[:, 5] == beside).all()
            assert step.avail[:, 0].all()
            loads += int(beside.sum())
    assert loads > 20


def play_foraging(env: Foraging, seed: int) -> list[Step]:
    """Give all but the last step of an episode: there is food in each of them."""
    return play(env, seed)[:-1]


def test_foraging_ends_when_all_is_eaten_and_else_times_out() -> None:
    env = make("lbf", "Foraging-5x5-2p-1f-coop")
    ends = {True: 0, False: 0}
    for seed in range(150):
        steps = play(env, seed, seed)
        last, total = steps[-1], sum(float(s.reward[0]) for s in steps)
        assert last.terminal == (total == pytest.approx(1.0))
        assert last.terminal or (len(steps) == 51 and total == 0.0)
        ends[bool(last.terminal)] += 1
    assert min(ends.values()) >= 3


def test_foraging_takes_any_registered_name_and_refuses_others() -> None:
    assert make("lbf", "Foraging-2s-6x6-3p-2f").spec.num_agents == 3
    for task in ("Foraging-0x0", "CartPole"):
        with pytest.raises(ValueError, match=f"lbf has no task '{task}'"):
            make("lbf", task)


def test_mpe_refuses_an_unknown_world_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="mpe has no task 'tag'; it has simple_spread_2, "):
        make("mpe", "tag")


def test_a_missing_simulator_is_one_line_with_the_remedy() -> None:
    with pytest.raises(RuntimeError, match=r"cannot import 'not_there' .*: pip install 'a\[b\]'$"):
        importing.simulator("not_there", "pip install 'a[b]'")


def test_listing_the_suites_imports_no_simulator_and_building_prints_nothing() -> None:
    script = (
        "import sys, marlbench_pettingzoo as m\n"
        "suites = {s.name: s for s in m.marlbench_suites()}\n"
        "heavy = {'numpy', 'pygame', 'pettingzoo', 'gymnasium', 'mpe2', 'lbforaging'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "for name in ('mpe', 'lbf'):\n"
        "    suites[name].build(suites[name].default_task, suites[name].config())\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("task", ["Foraging-5x5-2p-1f-coop", "Foraging-8x8-2p-2f-coop"])
def test_where_food_lies_does_not_depend_on_the_episode_before(task: str) -> None:
    played = Foraging(task)
    for seed in range(20):
        step = played.reset(seed)
        assert np.array_equal(step.obs, Foraging(task).reset(seed).obs)
        for time in range(seed % 7):
            played.step(np.array([(1 + time) % 5, time * seed % 5]))


class Remembering(Foraging):
    """Foraging as lbforaging itself begins it: players still stand where they stood."""

    def reset(self, seed: int) -> Step:
        """Begin, with food nowhere that one of them stood."""
        observations, _ = self.inside.reset(seed=seed)
        return replace(self._arrival(observations, 0.0), first=True)


@pytest.mark.parametrize("task", LBF_TASKS)
def test_the_check_sees_food_that_is_not_laid_where_players_stood(task: str) -> None:
    def build(task: str, config: Config) -> Env:
        return Replayed(partial(Remembering, task))

    found = check_suite(replace(SUITES["lbf"], build=build), task)
    wrong = {each.name: each.detail for each in found if not each.passed}
    assert "differs at [time][obs" in wrong["a reset forgets"]
