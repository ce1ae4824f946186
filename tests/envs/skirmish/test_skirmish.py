"""Skirmish: rules of the battle, masks, deaths, time-outs, seeds, rewards, and how hard it is."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, VectorEnv
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.single import build_single
from marlbench_skirmish import build_vector, marlbench_suites
from marlbench_skirmish.config import Config
from marlbench_skirmish.env import VectorSkirmish
from marlbench_skirmish.scripted import charge, focus_fire
from marlbench_skirmish.tasks import GATHERINGS, TASKS, UNIT_TYPES

(SUITE,) = marlbench_suites()
single = partial(build_single, SUITE)
Policy = Callable[[Step, EnvSpec], NDArray[np.int64]]


def random_policy(seed: int) -> Policy:
    """Give a policy that draws uniformly from the available actions, from this seed."""
    rng = np.random.default_rng(seed)

    def act(step: Step, spec: EnvSpec) -> NDArray[np.int64]:
        return random_actions(spec, step, rng)

    return act


def stop(step: Step, spec: EnvSpec) -> NDArray[np.int64]:
    """Stand still, (E, A)."""
    return step.alive.astype(np.int64)


def first_episodes(env: VectorEnv, policy: Policy, first_seed: int = 0) -> list[list[Step]]:
    """Give each copy's steps from its seed (first_seed + copy) to the end of its first episode."""
    seeds = np.arange(env.num_envs) + first_seed
    step = env.reset(seeds)
    episodes = [[row(step, e)] for e in range(env.num_envs)]
    over = step.last.copy()
    while not over.all():
        step = env.step(policy(step, env.spec), seeds)
        for e in np.flatnonzero(~over).tolist():
            episodes[e].append(row(step, e))
        over |= step.last
    return episodes


def row(step: Step, env: int) -> Step:
    """Give copy `env` of a vectorised step."""
    assert step.state is not None
    flags = (step.first[env], step.last[env], step.terminal[env])
    arrays = (step.obs[env], step.avail[env], step.alive[env], step.reward[env])
    return Step(*arrays, *flags, state=step.state[env], info={"won": step.info["won"][env]})


def same(a: Step, b: Step) -> bool:
    """Whether two steps are equal to the last bit."""
    names = ("obs", "avail", "alive", "reward", "first", "last", "terminal", "state")
    arrays = all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)
    return arrays and np.array_equal(a.info["won"], b.info["won"])


def score(task: str, policy: Policy, episodes: int = 200) -> tuple[float, list[float]]:
    """Give the share of won episodes and every return."""
    env = build_vector(task, Config(), episodes)
    played = first_episodes(env, policy)
    returns = [float(sum(s.reward[0] for s in steps)) for steps in played]
    return float(np.mean([steps[-1].info["won"] for steps in played])), returns


@pytest.mark.parametrize("task", TASKS)
def test_steps_have_the_shapes_and_types_of_the_spec(task: str) -> None:
    env = build_vector(task, Config(), 3)
    spec, act = env.spec, random_policy(0)
    step = env.reset(np.arange(3))
    for _ in range(2 * spec.episode_limit):
        assert step.state is not None
        assert spec.state_shape is not None
        assert step.obs.shape == (3, spec.num_agents, *spec.obs_shape)
        assert step.avail.shape == (3, spec.num_agents, spec.num_actions)
        assert step.state.shape == (3, *spec.state_shape)
        assert step.alive.shape == step.reward.shape == (3, spec.num_agents)
        assert {a.dtype.name for a in (step.obs, step.state, step.reward)} == {"float32"}
        assert {a.dtype.name for a in (step.avail, step.alive, step.first, step.last)} == {"bool"}
        assert np.abs(step.obs).max() <= 1.0
        assert np.abs(step.state).max() <= 1.0
        assert step.avail.any(-1).all()
        assert (step.terminal <= step.last).all()
        assert (step.info["won"] <= step.terminal).all()
        assert (step.reward == step.reward[:, :1]).all()
        assert not step.reward[step.first].any()
        step = env.step(act(step, spec), np.arange(3))


@pytest.mark.parametrize("task", [name for name in TASKS if name != "2v2"])
def test_random_play_hardly_ever_wins(task: str) -> None:
    won, _ = score(task, random_policy(0))
    assert won < 0.05


def test_focus_fire_wins_nearly_always_in_the_default_task() -> None:
    won, _ = score("3v3", focus_fire)
    assert won > 0.9


@pytest.mark.parametrize(
    ("task", "least", "most"),
    [("3v3", 0.9, 1.0), ("2v2", 0.9, 1.0), ("5v6", 0.1, 0.45), ("rand_5v5", 0.1, 0.45)],
)  # 200 episodes: three standard errors of the README's shares, 1.0 to 0.28, are at most 0.1
def test_a_blind_charge_wins_small_battles_but_not_those_that_ask_for_more(
    task: str, least: float, most: float
) -> None:
    won, _ = score(task, lambda step, _: charge(step), 200)
    assert least <= won <= most


def test_focus_fire_beats_random_play_in_every_task() -> None:
    for task in TASKS:
        assert score(task, focus_fire, 60)[0] > score(task, random_policy(0), 60)[0] + 0.4, task


@pytest.mark.parametrize("task", ["3v3", "5v6", "rand_5v5"])
def test_a_won_episode_returns_the_best_return_and_a_lost_one_less(task: str) -> None:
    env = build_vector(task, Config(), 100)
    for steps in first_episodes(env, focus_fire):
        total = float(sum(s.reward[0] for s in steps))
        if steps[-1].info["won"]:
            assert total == pytest.approx(20.0, abs=1e-4)  # float32 sum of some 40 rewards
        else:
            assert 0.0 <= total < 20.0 - 200.0 / 1000.0  # no win bonus


def test_reward_of_a_shot_is_its_damage_over_all_that_can_be_earned() -> None:
    env = single("2v2", Config())
    step = env.reset(0)
    while not (shots := step.avail[:, 6:]).any():
        step = env.step(focus_fire(step, env.spec))
    agent, enemy = np.argwhere(shots)[0]
    actions = stop(step, env.spec)
    actions[agent] = 6 + enemy
    ranged = UNIT_TYPES["ranged"]
    earnable = 2 * ranged.health + 2 * 10 + 200
    reward = env.step(actions).reward
    assert reward == pytest.approx([ranged.damage * 20 / earnable] * 2)


def test_a_weapon_needs_its_period_between_shots() -> None:
    env = single("2v2", Config())
    step = env.reset(0)
    while not step.avail[0, 6:].any():
        step = env.step(focus_fire(step, env.spec))
    paid = []
    for _ in range(4):
        actions = stop(step, env.spec)
        actions[0] = 6 + int(step.avail[0, 6:].argmax())
        step = env.step(actions)
        paid.append(bool(step.reward[0] > 0))
    assert paid == [True, False, True, False]


def test_the_dead_see_nothing_and_may_only_do_nothing() -> None:
    env = build_vector("5v5", Config(), 40)
    deaths = 0
    for steps in first_episodes(env, random_policy(1)):
        for before, after in itertools.pairwise(steps):
            assert (after.alive <= before.alive).all()
        dead = ~np.stack([s.alive for s in steps])  # (T, A)
        obs, avail = np.stack([s.obs for s in steps]), np.stack([s.avail for s in steps])
        assert not obs[dead].any()
        assert (avail[dead] == [True] + [False] * 10).all()
        assert not avail[~dead][:, 0].any()
        assert avail[~dead][:, 1].all()
        deaths += int(dead[-1].sum())
    assert deaths > 40


def test_attacks_are_available_on_living_enemies_in_reach_alone() -> None:
    env = build_vector("mixed", Config(), 20)
    seen = np.zeros(2, np.int64)
    for steps in first_episodes(env, focus_fire):
        for step in steps:
            assert step.state is not None
            units = step.state.reshape(10, -1)  # (N, 7): health, cooldown, x, y, type
            place = (units[:, 2:4] + 1) * 7  # map of side 14
            gap = place[None, 5:] - place[:5, None]  # (A, M, 2)
            reach = units[:5, 4:] @ [t.reach for t in UNIT_TYPES.values()]  # (A,)
            # 1e-4: places are read back from their float32 shares of the map
            distance = np.sqrt((gap**2).sum(-1))
            both = (units[:5, None, 0] > 0) & (units[None, 5:, 0] > 0)
            assert step.avail[:, 6:][both & (distance < reach[:, None] - 1e-4)].all()
            assert not step.avail[:, 6:][~both | (distance > reach[:, None] + 1e-4)].any()
            seen += [step.avail[:, 6:].sum(), (~step.avail[:, 6:]).sum()]
    assert (seen > 100).all()


def test_moves_shift_by_the_speed_and_never_leave_the_map() -> None:
    env = single("3v3", Config())
    step = env.reset(3)
    heading = {2: (0, 1), 3: (0, -1), 4: (1, 0), 5: (-1, 0)}
    for action, direction in heading.items():
        step = env.reset(3)
        while step.avail[0, action] and not step.last:
            before = step.state
            step = env.step(np.where(step.alive, np.where(step.avail[:, action], action, 1), 0))
            assert before is not None
            assert step.state is not None
            if step.alive[0]:
                moved = (step.state - before)[2:4] * 6  # shares of half the map of side 12
                assert moved == pytest.approx(direction, abs=1e-5)  # float32 places
                assert np.abs(step.state[2:4]).max() <= 1.0


def test_units_beyond_the_sight_are_not_seen() -> None:
    far, near = (single("3v3", Config(sight=s)).reset(0) for s in (50.0, 0.5))
    units = slice(4, 4 + 5 * 5)
    assert (far.obs[:, units].reshape(3, 5, 5)[..., 4] == 1.0).all()
    assert not near.obs[:, units].any()
    assert near.obs[:, 29].all()  # one's own health


def test_a_time_out_is_last_but_not_terminal() -> None:
    config = Config(limit_scale=0.1)
    env = build_vector("3v3", config, 2)
    assert env.spec.episode_limit == 5
    for steps in first_episodes(env, stop):
        assert len(steps) == 6
        assert steps[-1].last
        assert not steps[-1].terminal
        assert not steps[-1].info["won"]


def test_losing_everyone_is_terminal() -> None:
    for steps in first_episodes(build_vector("3v3", Config(), 4), stop):
        assert steps[-1].terminal
        assert not steps[-1].alive.any()


@pytest.mark.parametrize("task", ["rand_5v5", "8v8"])
def test_an_episode_depends_on_its_seed_alone(task: str) -> None:
    many = first_episodes(build_vector(task, Config(), 33), focus_fire, first_seed=10)
    env = single(task, Config())
    for e in (0, 15, 32):
        step = env.reset(10 + e)
        assert same(step, many[e][0])
        for expected in many[e][1:]:
            step = env.step(focus_fire(step, env.spec))
            assert same(step, expected)
    assert not np.array_equal(many[0][0].obs, many[1][0].obs)


def test_killing_each_other_at_once_is_an_end_but_no_win() -> None:
    env = VectorSkirmish("2v2", Config(), 1)
    step = env.reset(np.array([0]))
    while not step.avail[0, 0, 6]:
        step = env.step(focus_fire(step, env.spec), np.array([0]))
    env._world.cooldown[:] = 0.0
    env._world.health[:] = [[1.0, 0.0, 1.0, 0.0]]  # one against one, a shot from death
    step = env.step(np.array([[6, 1]]), np.array([0]))
    assert not step.alive.any()
    assert (step.terminal[0], step.info["won"][0]) == (True, False)
    assert step.reward[0, 0] == pytest.approx((1 + 10) * 20 / 310)  # a point of damage, a kill


def test_a_copy_on_a_last_step_begins_the_episode_of_its_seed() -> None:
    env, act = build_vector("3v3", Config(), 4), random_policy(0)
    step = env.reset(np.arange(4))
    begun = 0
    for t in range(120):
        before, seeds = step, np.arange(4) + 100 + 4 * t
        actions = np.where(before.last[:, None], 99, act(before, env.spec))  # 99: ignored
        step = env.step(actions, seeds)
        assert np.array_equal(step.first, before.last)
        for e in np.flatnonzero(step.first).tolist():
            assert same(row(step, e), single("3v3", Config()).reset(int(seeds[e])))
            begun += 1
    assert begun >= 8


def test_a_pickled_copy_has_the_same_future() -> None:
    env, act = build_vector("3v3", Config(), 3), random_policy(0)
    step = env.reset(np.arange(3))
    for t in range(15):
        step = env.step(act(step, env.spec), np.arange(3) + t)
    twin = pickle.loads(pickle.dumps(env))
    for t in range(60):
        actions = act(step, env.spec)
        step = env.step(actions, np.arange(3) + t)
        assert same(step, twin.step(actions, np.arange(3) + t))


def test_random_types_are_equal_on_both_sides_and_vary() -> None:
    step = build_vector("rand_5v5", Config(), 50).reset(np.arange(50))
    assert step.state is not None
    kinds = step.state.reshape(50, 2, 5, 7)[..., 4:].argmax(-1)  # (E, side, A)
    assert np.array_equal(kinds[:, 0], kinds[:, 1])
    assert len(np.unique(kinds[:, 0], axis=0)) > 20
    assert set(kinds.ravel()) == {0, 1, 2}


def test_an_unavailable_action_is_refused_by_name() -> None:
    env = single("3v3", Config())
    env.reset(0)
    for action in (0, 99, -1):
        with pytest.raises(ValueError, match=f"action {action} of agent 1 in copy 0 is not avail"):
            env.step(np.array([1, action, 1]))


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no task '9v9'; it has 3v3, "):
        single("9v9", Config())


def test_the_suite_offers_its_tasks_default_first() -> None:
    assert SUITE.tasks == (*TASKS, *GATHERINGS)
    assert SUITE.default_task == SUITE.tasks[0] == "3v3"
    assert SUITE.copyable
