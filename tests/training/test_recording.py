"""Episodes are kept as they were played, and cut without a step lost, doubled or shifted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench.training.evaluation import Occasion
from marlbench.training.recording import Episodes, record
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.synchronous import SyncVectorEnv, stack

AGENTS = 2


class Counting:
    """Its observation is its episode's number and its own step count; lengths differ by seed."""

    def __init__(self) -> None:
        self.spec = EnvSpec(AGENTS, (2,), num_actions=50, episode_limit=40)
        self.crashes_at = -1

    def reset(self, seed: int) -> Step:
        """Begin."""
        self.number, self.time = seed % 1000, 0
        self.length = 1 + seed % 12
        return self.arrive()

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play, or crash."""
        self.time += 1
        if self.number % 5 == 0 and self.time == 2:
            raise ConnectionError("a crash")
        return self.arrive(float(actions[0]))

    def arrive(self, reward: float = 0.0) -> Step:
        """Give what all see."""
        last = self.time == self.length
        obs = np.tile(np.array([self.number, self.time], np.float32), (AGENTS, 1))
        return Step(
            obs=obs,
            avail=np.ones((AGENTS, 50), bool),
            alive=np.ones(AGENTS, bool),
            reward=np.full(AGENTS, reward, np.float32),
            first=self.time == 0,
            last=last,
            terminal=last,
        )

    def close(self) -> None:
        """Nothing is held."""


class Counter:
    """Acts by the step count that it sees."""

    def start(self, num_envs: int) -> None:
        """It carries nothing."""

    def act(self, step: Step, policy_state: Any, rng: Any, explore: bool) -> Any:
        """Give the step count."""
        return step.obs[..., 1].astype(np.int64), None


@pytest.fixture(scope="module")
def episodes() -> Episodes:
    env = CheckedVectorEnv(SyncVectorEnv(Counting, 3))
    occasion = Occasion("imagined", 0, episodes=10, sampled=True)
    return record(Counter(), env, occasion, seed=0)  # type: ignore[arg-type]


def test_whole_episodes_are_kept_less_those_that_crashed(episodes: Episodes) -> None:
    steps = episodes.steps
    assert len(episodes.begins) == 10
    for begin, end in zip(episodes.begins, episodes.ends, strict=True):
        number, times = steps.obs[begin, 0, 0], steps.obs[begin : end + 1, 0, 1]
        assert number % 5, "an episode that crashed"
        assert (steps.obs[begin : end + 1, :, 0] == number).all()
        assert times.tolist() == list(range(int(1 + end - begin)))
        assert steps.first[begin]
        assert steps.last[end]
        assert steps.last[begin : end + 1].sum() == 1
        # the action was the step count, and the reward that came with the next step tells it
        assert (episodes.actions[begin:end, 0] == times[:-1]).all()
        assert (steps.reward[begin + 1 : end + 1, 0] == times[:-1]).all()


@pytest.mark.parametrize(("context", "horizon"), [(1, 1), (3, 4), (4, 30)])
def test_a_piece_is_what_was_seen_and_then_came(
    episodes: Episodes, context: int, horizon: int
) -> None:
    pieces = episodes.pieces(context, horizon, at_most=10_000)
    lengths = episodes.ends - episodes.begins
    assert pieces.number == np.maximum(0, lengths - context + 1).sum()  # every place, once
    assert pieces.seen.first[0].all()
    assert not pieces.seen.first[1:].any()
    assert not pieces.seen.last.any()
    began = pieces.seen.obs[0, :, 0]  # (B, 2): number and time
    assert len(np.unique(began, axis=0)) == pieces.number
    for b in range(pieces.number):
        (length,) = {
            int(n) for n in lengths[episodes.steps.obs[episodes.begins, 0, 0] == began[b, 0]]
        }
        seen = began[b, 1] + np.arange(context)
        came = began[b, 1] + context + np.arange(horizon)
        there = came <= length
        assert (pieces.seen.obs[:, b, 0, 1] == seen).all()
        assert (pieces.there[:, b] == there).all()
        assert (pieces.came.obs[there, b, 0, 1] == came[there]).all()
        assert (pieces.came.reward[there, b, 0] == came[there] - 1).all()
        taken = np.concatenate([seen, came])[:-1]
        real = taken < length
        assert (pieces.actions[real, b, 0] == taken[real]).all()


def test_pieces_are_spread_evenly_and_always_the_same(episodes: Episodes) -> None:
    every = episodes.pieces(2, 3, at_most=10_000).seen.obs[0, :, 0]
    some = episodes.pieces(2, 3, at_most=7).seen.obs[0, :, 0]
    assert len(some) == 7
    assert (some[0] == every[0]).all()
    assert (some[-1] == every[-1]).all()
    places = [int(np.flatnonzero((every == each).all(1))[0]) for each in some]
    gaps = np.diff(places)
    assert gaps.max() - gaps.min() <= 1
    again = record(
        Counter(),  # type: ignore[arg-type]
        CheckedVectorEnv(SyncVectorEnv(Counting, 3)),
        Occasion("imagined", 0, episodes=10, sampled=True),
        seed=1,
    )
    assert (again.steps.obs == episodes.steps.obs).all()  # start states are no run's own


def test_who_is_gone_has_no_say_in_what_comes() -> None:
    steps = stack([Counting().reset(1)] * 4)
    alive = np.array([[1, 1], [1, 0], [1, 0], [0, 0]], bool)  # (N, A)
    steps = replace(steps, alive=alive, last=np.array([False, False, False, True]))
    spans = (np.array([0]), np.array([3]))
    pieces = Episodes(steps, np.zeros((4, 2), np.int64), *spans).pieces(1, 4, 1)
    assert pieces.acted[:, 0].tolist() == [[1, 1], [1, 0], [1, 0], [0, 0]]
    assert pieces.there[:, 0].tolist() == [True, True, True, False]
