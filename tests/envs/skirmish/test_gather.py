"""Gathering: what is taken and by how many, what the pictures show, seeds, and how hard it is."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import Step
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.single import build_single
from marlbench_skirmish import build_vector, marlbench_suites
from marlbench_skirmish.config import Config
from marlbench_skirmish.gather import VectorGather
from marlbench_skirmish.gather_view import DARK, FLOOR, GOLD, GROUND, IRON, MATE, OWN, WALL
from marlbench_skirmish.scripted import nearest_item

TASK, SIDE, AGENTS, ITEMS = "gather44", 9, 2, 6
STOP, NORTH, SOUTH, EAST, WEST = range(5)
(SUITE,) = marlbench_suites()
single = partial(build_single, SUITE)
Policy = Callable[[Step], NDArray[np.int64]]


def random_policy(seed: int) -> Policy:
    """Give a policy that draws uniformly from the available actions, from this seed."""
    rng = np.random.default_rng(seed)
    spec = single("gather44", SUITE.config()).spec
    return lambda step: random_actions(spec, step, rng)


def stay(step: Step) -> NDArray[np.int64]:
    """Stand still, (E, A)."""
    return np.zeros(step.alive.shape, np.int64)


def episodes(policy: Policy, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Give returns, lengths and whether all was gathered, each (E,), of seeds from 0."""
    env, seeds = build_vector(TASK, Config(), count), np.arange(count)
    step = env.reset(seeds)
    over, bare = step.last, np.zeros(count, np.bool_)
    total, length = np.zeros(count), np.zeros(count, np.int64)
    while not over.all():
        step = env.step(policy(step), seeds)
        total += np.where(over, 0, step.reward[:, 0])
        length += ~over
        bare |= step.terminal & ~over
        over = over | step.last
    return total, length, bare


def set_up(
    agents: list[tuple[int, int]], iron: tuple[int, int], gold: tuple[int, int]
) -> VectorGather:
    """Give one copy with agents on these cells and one iron and one gold item left."""
    env = VectorGather(TASK, Config(), 1)
    env.reset(np.zeros(1, np.int64))
    env._agents[0] = agents
    env._left[:] = False
    env._left[0, [0, -1]] = True
    env._items[0, 0], env._items[0, -1] = iron, gold
    env._avail[:] = True
    return env


def play(env: VectorGather, *actions: int) -> Step:
    """Play one action for each agent of the only copy."""
    return env.step(np.array([actions]), np.zeros(1, np.int64))


def same(a: Step, b: Step) -> bool:
    """Whether two steps are equal to the last bit."""
    names = ("obs", "avail", "alive", "reward", "first", "last", "terminal", "state")
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)


def row(step: Step, env: int) -> Step:
    """Give copy `env` of a vectorised step."""
    assert step.state is not None
    flags = (step.first[env], step.last[env], step.terminal[env])
    arrays = (step.obs[env], step.avail[env], step.alive[env], step.reward[env])
    return Step(*arrays, *flags, state=step.state[env])


def cells(state: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give cells of agents (A, 2) and of items with whether they are there (K, 3) of a state."""
    items = state[2 * AGENTS :].reshape(ITEMS, 3).copy()
    items[:, :2] = (items[:, :2] + 1) * (SIDE - 1) / 2
    agents = (state[: 2 * AGENTS].reshape(AGENTS, 2) + 1) * (SIDE - 1) / 2
    return np.rint(agents).astype(int), np.rint(items).astype(int)


def drawn(state: NDArray[np.float32], agent: int, sight: float) -> NDArray[np.uint8]:
    """Draw an agent's picture (44, 44, 3) cell by cell from a state."""
    agents, items = cells(state)
    picture = np.zeros((44, 44, 3), np.uint8)
    here = agents[agent]
    for i, j in np.ndindex(11, 11):
        place = here + np.array([i - 5, j - 5])
        inside = ((place >= 0) & (place < SIDE)).all()
        there = np.flatnonzero((items == [*place, 1]).all(-1))
        hidden = (i - 5) ** 2 + (j - 5) ** 2 > sight**2
        item = IRON if there.min(initial=ITEMS) < 4 else GOLD
        ground = item if len(there) else FLOOR if inside else WALL
        tile = picture[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
        tile[:] = GROUND[DARK if hidden else ground]
        if not hidden and (agents[1 - agent] == place).all():
            tile[2:, 1:3] = MATE
        if (here == place).all():
            tile[:2, 1:3] = OWN
    return picture


@pytest.mark.parametrize("sight", [9.0, 3.0])
def test_pictures_show_what_the_state_says_around_each_agent(sight: float) -> None:
    env = build_vector(TASK, Config(sight=sight), 3)
    step, act = env.reset(np.arange(3)), random_policy(0)
    for t in range(15):
        assert step.state is not None
        assert step.obs.dtype == np.uint8
        for e, a in np.ndindex(3, AGENTS):
            assert np.array_equal(step.obs[e, a], drawn(step.state[e], a, sight))
        step = env.step(nearest_item(step) if t < 10 else act(step), np.arange(3))


def test_everything_that_is_drawn_has_a_colour_of_its_own() -> None:
    colours = np.concatenate([GROUND, [OWN, MATE]]).astype(int)
    apart = np.abs(colours[:, None] - colours).max(-1)
    # floor and darkness are 40 of 255 apart, in brightness alone; all others far more
    assert (apart + 255 * np.eye(len(colours)) >= 40).all()


def test_two_agents_on_one_item_are_all_seen() -> None:
    env = set_up([(4, 4), (4, 4)], iron=(0, 0), gold=(8, 8))
    env._items[0, 1], env._left[0, 1] = (4, 4), True
    env._needed[1] = 3  # so that it stays
    cell = play(env, STOP, STOP).obs[0, :, 20:24, 20:24]  # (A, 4, 4, 3)
    for place, colour in (((0, 1), OWN), ((3, 1), MATE), ((0, 0), GROUND[IRON])):
        assert (cell[:, *place] == colour).all()


def test_random_play_gathers_little_and_the_script_nearly_everything() -> None:
    by_chance, _, _ = episodes(random_policy(0), 300)
    by_script, lengths, bare = episodes(nearest_item, 300)
    assert by_chance.mean() < 5.0
    assert by_script.mean() > 18.0
    assert bare.mean() > 0.9
    assert lengths.mean() < 30


def test_an_episode_that_is_gathered_bare_returns_the_best_and_others_less() -> None:
    total, lengths, bare = episodes(nearest_item, 100)
    assert 0 < bare.sum() < 100
    assert total[bare] == pytest.approx(20.0, abs=1e-9)  # sums of 2 and 6, exact in float32
    assert (total[~bare] <= 18.0).all()
    assert (lengths[~bare] == 40).all()


def test_iron_is_taken_by_one_agent_that_steps_on_it() -> None:
    env = set_up([(4, 4), (8, 8)], iron=(3, 4), gold=(0, 0))
    assert play(env, STOP, NORTH).reward.tolist() == [[0.0, 0.0]]
    step = play(env, NORTH, STOP)
    assert step.reward.tolist() == [[2.0, 2.0]]
    assert not step.last[0]
    assert play(env, STOP, STOP).reward.tolist() == [[0.0, 0.0]]


def test_gold_is_taken_by_two_agents_on_or_beside_it_and_ends_the_episode_if_it_is_the_last() -> (
    None
):
    env = set_up([(4, 4), (5, 6)], iron=(0, 0), gold=(4, 5))
    env._left[0, 0] = False
    assert play(env, EAST, STOP).reward.tolist() == [[0.0, 0.0]]  # on it, the other at a corner
    step = play(env, STOP, NORTH)
    assert step.reward.tolist() == [[6.0, 6.0]]
    assert (step.last[0], step.terminal[0]) == (True, True)


def test_a_time_out_is_last_but_not_terminal() -> None:
    env = build_vector(TASK, Config(limit_scale=0.1), 2)
    step = env.reset(np.arange(2))
    for _ in range(env.spec.episode_limit):
        assert not step.last.any()
        step = env.step(stay(step), np.arange(2))
    assert env.spec.episode_limit == 4
    assert step.last.all()
    assert not step.terminal.any()


def test_moves_are_masked_at_the_rim_and_shift_by_one_cell_elsewhere() -> None:
    env = single(TASK, Config())
    for action, shift in ((NORTH, (-1, 0)), (SOUTH, (1, 0)), (EAST, (0, 1)), (WEST, (0, -1))):
        step = env.reset(1)
        for _ in range(SIDE):
            assert step.state is not None
            before, _ = cells(step.state)
            inside = ((before + shift >= 0) & (before + shift < SIDE)).all(-1)  # (A,)
            assert np.array_equal(step.avail[:, action], inside)
            assert step.avail[:, STOP].all()
            step = env.step(np.where(inside, action, STOP))
            assert step.state is not None
            assert np.array_equal(cells(step.state)[0] - before, np.outer(inside, shift))
        assert not step.avail[:, action].any()


def test_an_unavailable_action_is_refused_by_name() -> None:
    env = single(TASK, Config())
    step = env.reset(0)
    while step.avail[1, WEST]:
        step = env.step(np.array([STOP, WEST]))
    for action in (WEST, 5, -1):
        with pytest.raises(ValueError, match=f"action {action} of agent 1 in copy 0 is not avail"):
            env.step(np.array([STOP, action]))


def test_the_best_return_is_a_setting_and_bounds_what_is_earned() -> None:
    env = build_vector(TASK, Config(best_return=5.0), 50)
    assert env.spec.metrics[0].bounds == (0.0, 5.0)
    seeds, total = np.arange(50), np.zeros(50)
    step = env.reset(seeds)
    over = step.last
    while not over.all():
        step = env.step(nearest_item(step), seeds)
        total += np.where(over, 0, step.reward[:, 0])
        over = over | step.last
    assert total.max() == pytest.approx(5.0)


def test_an_episode_depends_on_its_seed_alone() -> None:
    many = build_vector(TASK, Config(), 17)
    together = many.reset(np.arange(17))
    singles = [single(TASK, Config()) for _ in range(17)]
    alone = [env.reset(seed) for seed, env in enumerate(singles)]
    assert not np.array_equal(together.obs[0], together.obs[1])
    act, begun = random_policy(3), 0
    for t in range(60):
        seeds = np.arange(17) + 100 * t
        assert all(same(row(together, e), step) for e, step in enumerate(alone))
        mixed = np.where(np.arange(17)[:, None] < 8, nearest_item(together), act(together))
        actions = np.where(together.last[:, None], 99, mixed)  # 99: ignored
        begun += int(together.last.sum())
        together = many.step(actions, seeds)
        for e, env in enumerate(singles):
            alone[e] = env.reset(int(seeds[e])) if alone[e].last else env.step(actions[e])
    assert begun >= 17


def test_a_pickled_copy_has_the_same_future() -> None:
    env, act = build_vector(TASK, Config(), 3), random_policy(0)
    step = env.reset(np.arange(3))
    for t in range(15):
        step = env.step(act(step), np.arange(3) + t)
    twin = pickle.loads(pickle.dumps(env))
    for t in range(60):
        actions = act(step)
        step = env.step(actions, np.arange(3) + t)
        assert same(step, twin.step(actions, np.arange(3) + t))
