"""Copies in lockstep: the same episodes as single ones, crashes cut and counted."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import Env, Step
from marlbench.run import vector
from marlbench.run.door import Door
from marlbench.run.episodes import Tally, crashed
from marlbench.run.vector import CRASHES_IN_A_ROW, Copies, EnvironmentFailure
from marlbench.testing.synthetic import Sizes, Synthetic


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
    copies = Door(Copies(Synthetic, 3))
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
    copies = Copies(partial(Crashing, at=3), 1)
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
    copies = Copies(partial(Crashing, at=3), 1)
    tally = Tally(copies.spec, 1)
    step = copies.reset(np.array([1]))
    ended = tally.add(step)
    while not ended:
        step = copies.step(first_available(step), np.array([0]))
        ended = tally.add(step)
    assert ended[0].crashed
    assert ended[0].length == 2


def test_crashes_in_a_row_without_a_real_step_fail_with_the_reason() -> None:
    copies = Copies(partial(Crashing, at=1), 2)
    step = copies.reset(np.array([1, 2]))
    for _ in range(2 * CRASHES_IN_A_ROW - 2):  # a crash, a reset, a crash ...
        step = copies.step(first_available(step), np.array([3, 4]))
    with pytest.raises(EnvironmentFailure, match=r"5 times in a row.*lost the simulator"):
        copies.step(first_available(step), np.array([3, 4]))


def test_crashes_with_real_steps_between_go_on_for_ever() -> None:
    copies = Copies(partial(Crashing, at=2), 1)
    step = copies.reset(np.array([1]))
    for time in range(60):
        step = copies.step(first_available(step), np.array([time]))
    assert len(copies.crashes) == 20


def test_a_reset_that_crashes_is_tried_with_further_seeds_and_given_up_in_the_end() -> None:
    copies = Copies(partial(Crashing, at=99, resets=True), 1)
    with pytest.raises(EnvironmentFailure, match="no answer"):
        copies.reset(np.array([1]))
    assert len(copies.crashes) == CRASHES_IN_A_ROW


def test_a_snapshot_goes_on_mid_episode() -> None:
    door = Door(Copies(Synthetic, 2))
    step = door.reset(np.array([1, 2]))
    for _ in range(3):
        step = door.step(first_available(step), np.array([3, 4]))
    blob = vector.snapshot(door)
    other = Door(Copies(Synthetic, 2))
    vector.restore(other, blob, step)
    for time in range(20):
        actions = first_available(step)
        step = door.step(actions, np.array([time, -time]) % 1000)
        same = other.step(actions, np.array([time, -time]) % 1000)
        np.testing.assert_array_equal(step.obs, same.obs)
