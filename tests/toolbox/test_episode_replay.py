"""Nothing is lost, doubled or shifted between copies that play in lockstep and a drawn batch.

The copies count: the observation of episode k at time t is 100 k + t, so every row says which
it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.toolbox.episode_replay import EpisodeReplay, Episodes

LIMIT = 6
FIELDS = {"obs": ((2,), "float32"), "reward": ((), "float32")}


class Counting:
    """E copies whose episodes have given lengths, numbered in the order in which they begin."""

    def __init__(self, num_envs: int, lengths: Iterator[int]) -> None:
        self.lengths = lengths
        self.begun = 0
        self.now = [self.begin() for _ in range(num_envs)]

    def begin(self) -> tuple[int, int, int]:
        """Give number, length and time of a new episode."""
        self.begun += 1
        return self.begun - 1, next(self.lengths), 0

    def play(self, replay: EpisodeReplay) -> list[int]:
        """Show one lockstep row to the replay, go on; give the episodes that were finished."""
        mark = np.array([100.0 * number + time for number, _, time in self.now], np.float32)
        first = np.array([time == 0 for *_, time in self.now])
        times = replay.append({"obs": np.stack([mark, -mark], 1), "reward": mark + 0.5}, first)
        np.testing.assert_array_equal(times, [time for *_, time in self.now])
        done = []
        for copy, (number, length, time) in enumerate(self.now):
            if time == length:
                replay.finish(copy, length, terminal=number % 2 == 0)
                done.append(number)
            self.now[copy] = self.begin() if time == length else (number, length, time + 1)
        return done


def random_lengths(seed: int) -> Iterator[int]:
    draws = np.random.default_rng(seed)
    while True:
        yield int(draws.integers(1, LIMIT + 1))


def check(episodes: Episodes) -> list[int]:
    """Every row is where it belongs; give the episodes' numbers."""
    numbers = (episodes.rows["obs"][: episodes.sizes[0], 0] // 100).astype(int)
    expected = 100.0 * numbers[episodes.episode] + episodes.time
    np.testing.assert_array_equal(episodes.rows["obs"], np.stack([expected, -expected], 1))
    np.testing.assert_array_equal(episodes.rows["reward"], expected + 0.5)
    np.testing.assert_array_equal(episodes.terminal, numbers % 2 == 0)
    assert (np.diff(episodes.length) <= 0).all()
    assert sum(episodes.sizes) == len(expected) == (episodes.length + 1).sum()
    assert (
        episodes.sizes
        == [int((episodes.length >= t).sum()) for t in range(LIMIT + 1)][: len(episodes.sizes)]
    )
    return sorted(numbers.tolist())


@pytest.mark.parametrize("num_envs", [1, 3])
@pytest.mark.parametrize("capacity", [4, 50])
def test_rows_survive_lockstep_and_wrapping(num_envs: int, capacity: int) -> None:
    replay = EpisodeReplay(FIELDS, LIMIT, capacity)
    copies = Counting(num_envs, random_lengths(num_envs))
    finished: list[int] = []
    for _ in range(60):
        finished += copies.play(replay)
        if finished:
            newest = replay.packed(np.arange(replay.size))
            assert check(newest) == sorted(finished[-capacity:])
    assert replay.written == len(finished) > 8


def test_outcomes_are_the_rows_after_the_first_ones_in_the_order_of_the_steps() -> None:
    replay = EpisodeReplay(FIELDS, LIMIT, 10)
    copies = Counting(2, iter([3, 1, 6, 2, 1, 4, 1, 1]))
    while replay.written < 4:
        copies.play(replay)
    episodes = replay.packed(np.arange(replay.size))
    steps = (episodes.time < episodes.length[episodes.episode]).nonzero()[0]
    outcomes = np.arange(episodes.sizes[0], len(episodes.time))
    np.testing.assert_array_equal(episodes.episode[steps], episodes.episode[outcomes])
    np.testing.assert_array_equal(episodes.time[steps] + 1, episodes.time[outcomes])


def test_draws_are_different_episodes_and_equally_likely() -> None:
    replay = EpisodeReplay(FIELDS, LIMIT, 8)
    copies = Counting(1, random_lengths(0))
    while replay.written < 13:
        copies.play(replay)
    draws = np.random.default_rng(0)
    seen = np.concatenate([check(replay.sample(draws, 4)) for _ in range(500)])
    assert seen.min() == 13 - 8
    # 2000 draws of 8 episodes: 250 each, standard deviation at most 15.8, so 5 of them
    np.testing.assert_allclose(np.bincount(seen)[5:], 250, atol=79)


def test_a_ring_row_never_changes_until_it_is_overwritten() -> None:
    replay = EpisodeReplay(FIELDS, LIMIT, 4)
    copies = Counting(2, random_lengths(3))
    rows: dict[int, dict[str, NDArray[np.float32]]] = {}
    for _ in range(40):
        copies.play(replay)
        for row in range(max(0, replay.written - 4), replay.written):
            now = {name: array[row % 4].copy() for name, array in replay.ring.items()}
            for name, array in rows.setdefault(row, now).items():
                np.testing.assert_array_equal(array, now[name])
    assert len(rows) > 8


def test_a_restored_replay_goes_on_the_same() -> None:
    replay, other = EpisodeReplay(FIELDS, LIMIT, 5), EpisodeReplay(FIELDS, LIMIT, 5)
    copies = Counting(3, random_lengths(1))
    for _ in range(25):
        copies.play(replay)
    other.restore(replay.ring, replay.written, replay.unfinished())
    twin = Counting(3, random_lengths(1))
    twin.now, twin.begun = list(copies.now), copies.begun
    twin.lengths = iter(list(range(1, 7)) * 9)
    copies.lengths = iter(list(range(1, 7)) * 9)
    for _ in range(12):
        copies.play(replay)
        twin.play(other)
    draws = replay.sample(np.random.default_rng(0), 4), other.sample(np.random.default_rng(0), 4)
    assert check(draws[0]) == check(draws[1])
    assert replay.written == other.written


def test_an_episode_beyond_the_limit_is_refused() -> None:
    replay = EpisodeReplay(FIELDS, LIMIT, 2)
    rows = {"obs": np.zeros((1, 2), np.float32), "reward": np.zeros(1, np.float32)}
    for t in range(LIMIT + 1):
        replay.append(rows, np.array([t == 0]))
    with pytest.raises(AssertionError, match=f"an episode of {LIMIT + 1} steps; the limit is 6"):
        replay.append(rows, np.array([False]))


def test_an_episode_without_a_step_is_not_kept() -> None:
    replay = EpisodeReplay(FIELDS, LIMIT, 2)
    rows = {"obs": np.zeros((1, 2), np.float32), "reward": np.zeros(1, np.float32)}
    replay.append(rows, np.array([True]))
    replay.finish(0, 0, terminal=False)
    assert replay.written == 0
