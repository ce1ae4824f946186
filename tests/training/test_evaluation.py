"""The evaluation protocol: the same episodes for everyone, and a quota for every copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench.testing.synthetic import Synthetic
from marlbench.training.evaluation import REPLAYS, Occasion, Quota, evaluate, score
from marlbench.vecenv.seeding import TrainingSeeds, evaluation_seed, further_seed, training_seed
from marlbench.vecenv.statistics import Episode
from marlbench.vecenv.synchronous import EnvironmentFailure, SyncVectorEnv


class Lengths:
    """An environment whose episode's length is decided by its seed; rewards differ by agent."""

    spec = EnvSpec(2, (1,), 2, episode_limit=30, reward="individual")

    def reset(self, seed: int) -> Step:
        """Begin an episode of 1 to 30 steps."""
        self.left = 1 + seed % 30
        return self._step(0.0)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Count down."""
        self.left -= 1
        return self._step(1.0)

    def close(self) -> None:
        """Nothing is held."""

    def _step(self, reward: float) -> Step:
        last = self.left == 0
        return Step(
            obs=np.ones((2, 1), np.float32),
            avail=np.ones((2, 2), bool),
            alive=np.ones(2, bool),
            reward=np.array([reward, 10 * reward], np.float32),
            first=reward == 0.0,
            last=last,
            terminal=last,
        )


class Fixed:
    """Acts the same for ever; the rest of an `Agent` evaluation must not call."""

    def start(self, num_envs: int) -> Any:
        """Nothing to remember."""
        return None

    def act(
        self, step: Step, policy_state: Any, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[np.int64], Any]:
        """Take the first available action, greedily."""
        assert not explore
        return step.avail.argmax(-1), policy_state


AGENT: Any = Fixed()


def test_each_copy_plays_its_quota_whatever_the_lengths() -> None:
    quota = evaluate(AGENT, SyncVectorEnv(Lengths, 3), Occasion("curve", 50, 7), seed=0)
    episodes = quota.episodes()
    expected = [(e, k) for e, share in enumerate((3, 2, 2)) for k in range(share)]
    seeds = [evaluation_seed((1, 50), e, k) for e, k in expected]
    lengths = [1 + seed % 30 for seed in seeds]
    assert [episode.copy for episode in episodes] == [e for e, _ in expected]
    assert [episode.length for episode in episodes] == lengths
    assert [episode.total for episode in episodes] == [11.0 * length for length in lengths]
    row = score(quota, Lengths.spec)
    assert (row["crashed"], row["seeds"]) == (0, seeds)
    assert row["metrics"]["return"] == pytest.approx(
        11.0 * np.mean(lengths), rel=1e-12
    )  # order of a sum
    assert row["agent_returns"][0] == [lengths[0], 10.0 * lengths[0]]
    assert row["values"].keys() == {"return"}


def test_evaluating_twice_gives_the_same_rows() -> None:
    copies, occasion = SyncVectorEnv(Synthetic, 4), Occasion("curve", 100, 8)
    first = score(evaluate(AGENT, copies, occasion, seed=1), copies.spec)
    assert score(evaluate(AGENT, copies, occasion, seed=1), copies.spec) == first


def test_every_point_has_its_own_start_states_whatever_the_runs_seed() -> None:
    copies = SyncVectorEnv(Synthetic, 4)
    occasions = [Occasion("curve", point, 8) for point in (0, 100, 200)]
    occasions += [Occasion("final", 0, 50), Occasion("by hand", 100, 8)]
    played = [evaluate(AGENT, copies, each, seed=1).played_seeds() for each in occasions]
    assert [len(seeds) for seeds in played] == [8, 8, 8, 50, 8]
    assert len({seed for seeds in played for seed in seeds}) == 82  # no two share one
    again = [evaluate(AGENT, copies, each, seed=2).played_seeds() for each in occasions]
    assert again == played


def test_what_act_draws_is_of_run_occasion_and_step() -> None:
    curve = Occasion("curve", 100, 8)
    places = [(curve, 1, 0), (curve, 1, 1), (curve, 2, 0), (replace(curve, sampled=True), 1, 0)]
    places += [(Occasion("curve", 200, 8), 1, 0), (Occasion("final", 100, 8), 1, 0)]
    draws = [occasion.rng(seed, t).random() for occasion, seed, t in places]
    assert len(set(draws)) == len(draws)
    assert [occasion.rng(seed, t).random() for occasion, seed, t in places] == draws


class CrashingOnce(Lengths):
    """Crashes in the middle of one episode, that of the seed `bad`."""

    bad = evaluation_seed((1, 50), 1, 0)

    def reset(self, seed: int) -> Step:
        """Remember the seed."""
        self.now = seed
        return super().reset(seed)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Crash behind the first step of the bad episode."""
        step = super().step(actions)
        if self.now == self.bad and self.left < self.bad % 30:
            raise OSError("crash")
        return step


def test_a_crashed_episode_is_not_scored_but_replayed_with_a_further_seed() -> None:
    assert CrashingOnce.bad % 30 > 1, "the episode must be long enough to crash in"
    quota = evaluate(AGENT, SyncVectorEnv(CrashingOnce, 2), Occasion("curve", 50, 4), seed=0)
    episodes, at = quota.episodes(), (1, 50)
    seeds = [evaluation_seed(at, *k) for k in ((0, 0), (0, 1), (1, 0, 1))]
    assert quota.crashed == 1
    assert quota.played_seeds()[:3] == seeds
    assert [e.length for e in episodes[:3]] == [1 + seed % 30 for seed in seeds]
    assert len(episodes) == 4
    assert not any(episode.crashed for episode in episodes)


def test_an_episode_that_always_crashes_fails_instead_of_hanging() -> None:
    quota = Quota(Occasion("curve", 0, 1), num_envs=1)
    episode = Episode(0, length=3, crashed=True, total=0.0, agent_returns=[0.0], values={})
    for _ in range(REPLAYS - 1):
        quota.take(episode, "OSError: connection lost")
    with pytest.raises(EnvironmentFailure, match=r"crashed 10 times.*OSError: connection lost"):
        quota.take(episode, "OSError: connection lost")


def test_training_and_evaluation_never_share_a_seed() -> None:
    training = [training_seed(s, e, k) for s in range(3) for e in range(4) for k in range(50)]
    evaluation = [
        evaluation_seed((1, 0), e, k, r) for e in range(4) for k in range(50) for r in range(2)
    ]
    assert {seed % 2 for seed in training} == {0}
    assert {seed % 2 for seed in evaluation} == {1}
    assert {further_seed(seed, 1) % 2 for seed in training} == {0}
    assert len(set(training)) == len(training)
    assert len(set(evaluation)) == len(evaluation)
    assert all(0 <= seed < 2**31 for seed in training + evaluation)


def test_training_seeds_depend_on_seed_copy_and_episode_alone() -> None:
    one, other = TrainingSeeds.of_run(4, 3), TrainingSeeds.of_run(4, 3)
    one.take(np.array([True, True, True]))
    one.take(np.array([False, True, False]))
    seeds = one.take(np.array([True, True, False]))
    assert seeds.tolist() == [training_seed(4, 0, 1), training_seed(4, 1, 2), 0]
    assert other.take(np.array([True, False, False]))[0] == training_seed(4, 0, 0)
