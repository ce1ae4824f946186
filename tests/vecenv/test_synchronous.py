"""Copies in lockstep: the same episodes as single ones, crashes cut and counted."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import Env, Step
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.vecenv import synchronous
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.statistics import EpisodeStatistics, crashed
from marlbench.vecenv.synchronous import CRASHES_IN_A_ROW, EnvironmentFailure, SyncVectorEnv


def first_available(step: Step) -> NDArray[np.int64]:
    """The available action of the lowest number, (E, A) or (A,)."""
    return step.avail.argmax(-1)


class Crashing(Synthetic):
    """A synthetic task that raises at one time step, in resets too if asked."""

    def __init__(self, at: int, resets: bool = False) -> None:
        super().__init__(Sizes(death=0.0, end=0.0, limit=6))
        self.at, self.resets, self.closed = at, resets, False

    def reset(self, seed: int) -> Step:
        """Begin an episode, or crash."""
        if self.resets:
            raise ConnectionError("no answer")
        return super().reset(seed)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play, or crash."""
        step = super().step(actions)
        if self._time == self.at:
            raise ConnectionError("lost the simulator")
        return step

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_copies_play_the_episodes_that_single_environments_play() -> None:
    copies = CheckedVectorEnv(SyncVectorEnv(Synthetic, 3))
    step = copies.reset(np.array([5, 6, 7]))
    singles: list[Env] = [Synthetic() for _ in range(3)]
    expected = [env.reset(seed) for env, seed in zip(singles, (5, 6, 7), strict=True)]
    for time in range(40):
        for copy, alone in enumerate(expected):
            np.testing.assert_array_equal(step.obs[copy], alone.obs)
            np.testing.assert_array_equal(step.avail[copy], alone.avail)
            assert (step.first[copy], step.last[copy]) == (alone.first, alone.last)
        seeds = 100 * time + np.arange(3)
        expected = [
            env.reset(int(seeds[copy])) if alone.last else env.step(first_available(alone))
            for copy, (env, alone) in enumerate(zip(singles, expected, strict=True))
        ]
        step = copies.step(first_available(step), seeds)


def test_a_crash_cuts_the_episode_as_a_time_out_and_rebuilds_the_copy() -> None:
    copies = SyncVectorEnv(partial(Crashing, at=3), 1)
    victim = copies.envs[0]
    step = copies.reset(np.array([1]))
    for _ in range(2):
        step = copies.step(first_available(step), np.array([0]))
    cut = copies.step(first_available(step), np.array([0]))
    assert (bool(cut.last[0]), bool(cut.terminal[0]), bool(crashed(cut)[0])) == (True, False, True)
    np.testing.assert_array_equal(cut.obs, step.obs)
    assert not cut.reward.any()
    assert isinstance(victim, Crashing)
    assert victim.closed
    assert copies.crashes == [{"copy": 0, "error": "ConnectionError: lost the simulator"}]
    again = copies.step(first_available(cut), np.array([9]))
    np.testing.assert_array_equal(again.obs[0], Synthetic(Sizes(death=0, end=0)).reset(9).obs)
    assert again.first[0]


def test_a_cut_step_is_neither_a_step_of_the_episode_nor_scored() -> None:
    copies = SyncVectorEnv(partial(Crashing, at=3), 1)
    statistics = EpisodeStatistics(copies.spec, 1)
    step = copies.reset(np.array([1]))
    ended = statistics.add(step)
    while not ended:
        step = copies.step(first_available(step), np.array([0]))
        ended = statistics.add(step)
    assert ended[0].crashed
    assert ended[0].length == 2


def test_crashes_in_a_row_without_a_real_step_fail_with_the_reason() -> None:
    copies = SyncVectorEnv(partial(Crashing, at=1), 2)
    step = copies.reset(np.array([1, 2]))
    for _ in range(2 * CRASHES_IN_A_ROW - 2):  # a crash, a reset, a crash ...
        step = copies.step(first_available(step), np.array([3, 4]))
    with pytest.raises(EnvironmentFailure, match=r"5 times in a row.*lost the simulator"):
        copies.step(first_available(step), np.array([3, 4]))


def test_crashes_with_real_steps_between_go_on_for_ever() -> None:
    copies = SyncVectorEnv(partial(Crashing, at=2), 1)
    step = copies.reset(np.array([1]))
    for time in range(60):
        step = copies.step(first_available(step), np.array([time]))
    assert len(copies.crashes) == 20


def test_a_reset_that_crashes_is_tried_with_further_seeds_and_given_up_in_the_end() -> None:
    copies = SyncVectorEnv(partial(Crashing, at=99, resets=True), 1)
    with pytest.raises(EnvironmentFailure, match="no answer"):
        copies.reset(np.array([1]))
    assert len(copies.crashes) == CRASHES_IN_A_ROW


class Halves(Crashing):
    """A copy that may be asked and waited for apart, and keeps a diary; one half may raise."""

    diary: ClassVar[list[str]] = []

    def __init__(self, name: str, at: int = 99, in_sending: bool = False) -> None:
        super().__init__(at)
        self.name, self.in_sending = name, in_sending

    def send_reset(self, seed: int) -> None:
        """Note it; play when the answer is asked for."""
        self.diary.append(f"{self.name} is asked to reset")
        self.answer = partial(self.reset, seed)

    def send_step(self, actions: NDArray[np.int64]) -> None:
        """Likewise."""
        self.diary.append(f"{self.name} is asked to step")
        if self.in_sending and self._time + 1 == self.at:
            raise BrokenPipeError("nobody listens")
        self.answer = partial(self.step, actions)

    def receive(self) -> Step:
        """Do what was asked."""
        self.diary.append(f"{self.name} answers")
        return self.answer()


def test_all_copies_are_asked_before_any_is_waited_for() -> None:
    names = iter("ab")
    copies = SyncVectorEnv(lambda: Halves(next(names)), 2)
    Halves.diary.clear()
    step = copies.reset(np.array([1, 2]))
    for _ in range(7):  # six steps of an episode, and the reset of both
        step = copies.step(first_available(step), np.array([3, 4]))
    whole = SyncVectorEnv(lambda: Crashing(at=99), 2)
    expected = whole.reset(np.array([3, 4]))
    np.testing.assert_array_equal(step.obs, expected.obs)
    resets = ["a is asked to reset", "b is asked to reset", "a answers", "b answers"]
    steps = ["a is asked to step", "b is asked to step", "a answers", "b answers"]
    assert Halves.diary == resets + 6 * steps + resets


@pytest.mark.parametrize("in_sending", [True, False])
def test_a_crash_in_either_half_costs_that_copys_episode_alone(in_sending: bool) -> None:
    made = iter([Halves("a"), Halves("b", at=2, in_sending=in_sending), Halves("c"), Halves("d")])
    copies = SyncVectorEnv(lambda: next(made), 3)
    step = copies.reset(np.array([1, 2, 3]))
    for _ in range(2):
        step = copies.step(first_available(step), np.array([4, 5, 6]))
    assert crashed(step).tolist() == step.last.tolist() == [False, True, False]
    assert [each["copy"] for each in copies.crashes] == [1]
    step = copies.step(first_available(step), np.array([4, 5, 6]))
    assert step.first.tolist() == [False, True, False]
    expected = Crashing(at=99).reset(5).obs
    np.testing.assert_array_equal(step.obs[1], expected)
    single = Crashing(at=99)
    alone = single.reset(1)
    for _ in range(3):
        alone = single.step(first_available(alone))
    np.testing.assert_array_equal(step.obs[0], alone.obs)


def test_a_snapshot_goes_on_mid_episode() -> None:
    door = CheckedVectorEnv(SyncVectorEnv(Synthetic, 2))
    step = door.reset(np.array([1, 2]))
    for _ in range(3):
        step = door.step(first_available(step), np.array([3, 4]))
    blob = synchronous.snapshot(door)
    other = CheckedVectorEnv(SyncVectorEnv(Synthetic, 2))
    synchronous.restore(other, blob, step)
    for time in range(20):
        actions = first_available(step)
        step = door.step(actions, np.array([time, -time]) % 1000)
        same = other.step(actions, np.array([time, -time]) % 1000)
        np.testing.assert_array_equal(step.obs, same.obs)
