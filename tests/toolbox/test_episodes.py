"""Nothing is lost, doubled or shifted between copies that play in lockstep and a drawn batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.episodes import (
    Batch,
    EpisodeReplay,
    Episodes,
    episode_fields,
    lay_out,
    record,
)

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
    other.load_state_dict(replay.state_dict())
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


AGENTS, ACTIONS, GAMMA = 2, 3, 0.5
SPEC = EnvSpec(AGENTS, (1,), ACTIONS, episode_limit=6, state_shape=(2,))


@dataclass
class Played:
    """One copy's episode: observations (L + 1,), actions and the rewards that followed (L,)."""

    terminal: bool
    obs: NDArray[np.float32]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float32]


def played(lengths: list[int]) -> list[Played]:
    rng = np.random.default_rng(0)
    return [
        Played(
            bool(k % 2),
            rng.normal(size=n + 1).astype(np.float32),
            rng.integers(0, ACTIONS, (n + 1, AGENTS)),
            rng.normal(size=n).astype(np.float32),
        )
        for k, n in enumerate(lengths)
    ]


def step_of(episode: Played, t: int, crashed: bool = False, each: float = 1.0) -> Step:
    """The step at t; the last agent's reward is `each` times the first's."""
    last = t == len(episode.rewards)
    reward = episode.rewards[t - 1] if t else 0.0
    return Step(
        obs=np.full((1, AGENTS, 1), episode.obs[t], np.float32),
        avail=np.ones((1, AGENTS, ACTIONS), bool),
        alive=np.ones((1, AGENTS), bool),
        reward=np.array([[reward, each * reward]], np.float32),
        first=np.array([t == 0]),
        last=np.array([last]),
        terminal=np.array([last and episode.terminal]),
        state=np.full((1, 2), -episode.obs[t], np.float32),
        info={"crashed": np.array([last and crashed])},
    )


def recorded(episodes: list[Played], spec: EnvSpec = SPEC, **how: float) -> EpisodeReplay:
    replay = EpisodeReplay(episode_fields(spec), spec.episode_limit, capacity=8)
    for episode in episodes:
        for t in range(len(episode.obs)):
            record(replay, spec, step_of(episode, t, **how), episode.actions[t][None])  # type: ignore[arg-type]
    return replay


def batch_of(replay: EpisodeReplay) -> Batch:
    chosen = replay.packed(np.arange(replay.written))
    return lay_out(chosen, GAMMA, none=ACTIONS, device=torch.device("cpu"))


def test_every_row_is_what_was_played() -> None:
    lengths = [5, 3, 3, 1]  # longest first, as they are packed
    episodes = played(lengths)
    batch = batch_of(recorded(episodes))
    rows = [(e, t) for t in range(6) for e, n in enumerate(lengths) if t <= n]
    assert batch.sizes == [sum(t <= n for n in lengths) for t in range(6)]
    assert batch.state is not None
    for row, (e, t) in enumerate(rows):
        episode = episodes[e]
        assert (batch.obs[row] == episode.obs[t]).all()
        assert (batch.state[row] == -episode.obs[t]).all()
        assert batch.action[row].tolist() == episode.actions[t].tolist()
        before = episode.actions[t - 1].tolist() if t else [ACTIONS] * AGENTS
        assert batch.last_action[row].tolist() == before
    taken = [row for row, (e, t) in enumerate(rows) if t < lengths[e]]
    assert batch.steps.tolist() == taken
    for step, row in enumerate(taken):
        e, t = rows[row]
        assert rows[batch.sizes[0] + step] == (e, t + 1)  # the outcomes, in the steps' order
        reward, discount, valid = (
            part.flatten(0, 1)[batch.places[step]].item()
            for part in (batch.reward, batch.discount, batch.valid)
        )
        ends = t + 1 == lengths[e] and episodes[e].terminal
        assert (reward, discount) == (episodes[e].rewards[t], 0.0 if ends else GAMMA)
        assert valid
    assert int(batch.valid.sum()) == sum(lengths)
    value = torch.randn(len(taken), 2)
    one_step = batch.targets(value, lambda_=0.0)
    whole = batch.targets(value, lambda_=1.0)  # n-step returns to the end of each episode
    for step, row in enumerate(taken):
        e, t = rows[row]
        later = [taken.index(rows.index((e, k))) for k in range(t, lengths[e])]
        rewards = episodes[e].rewards[t:]
        discounts = [
            0.0 if episodes[e].terminal and k + 1 == lengths[e] else GAMMA
            for k in range(t, lengths[e])
        ]
        expected = rewards[0] + discounts[0] * value[step]
        # float32: sums of a few numbers near 1
        torch.testing.assert_close(one_step[step], expected, rtol=1e-5, atol=1e-6)
        expected = sum(GAMMA**k * reward for k, reward in enumerate(rewards))
        expected = expected + GAMMA ** (len(later) - 1) * discounts[-1] * value[later[-1]]
        torch.testing.assert_close(whole[step], expected, rtol=1e-5, atol=1e-6)


def test_without_a_state_the_mixer_sees_what_all_agents_see_detached() -> None:
    spec = EnvSpec(AGENTS, (1,), ACTIONS, episode_limit=6)
    replay = EpisodeReplay(episode_fields(spec), 6, capacity=8)
    (episode,) = played([2])
    for t in range(3):
        step = step_of(episode, t)
        record(replay, spec, Step(**{**vars(step), "state": None}), episode.actions[t][None])
    embedding = torch.randn(3, AGENTS, 4, requires_grad=True)
    state = batch_of(replay).seen_state(embedding)
    assert not state.requires_grad
    assert torch.equal(state, embedding.detach().reshape(3, -1))


@pytest.mark.parametrize(("kind", "factor"), [("team", 1.0), ("individual", 4.0)])
def test_individual_rewards_are_summed(kind: str, factor: float) -> None:
    spec = EnvSpec(AGENTS, (1,), ACTIONS, 6, state_shape=(2,), reward=kind)  # type: ignore[arg-type]
    episodes = played([4])
    batch = batch_of(recorded(episodes, spec, each=3.0))
    # float32: a sum of two
    np.testing.assert_allclose(batch.reward.flatten(), factor * episodes[0].rewards, rtol=1e-6)


def test_a_crash_cuts_its_last_step_and_is_no_env_step() -> None:
    (episode,) = played([4])
    replay = EpisodeReplay(episode_fields(SPEC), 6, capacity=8)
    seen = [
        record(replay, SPEC, step_of(episode, t, crashed=True), episode.actions[t][None])
        for t in range(5)
    ]
    assert seen == [0, 1, 1, 1, 0]
    assert replay.ring["length"][0] == 3


def test_a_mixer_sees_the_states_of_all_agents_in_a_row() -> None:
    replay = EpisodeReplay(episode_fields(replace(SPEC, state_shape=(2, 3))), 6, capacity=8)
    (episode,) = played([2])
    for t in range(3):
        state = np.arange(6, dtype=np.float32).reshape(1, 2, 3) + 10 * t
        record(replay, SPEC, replace(step_of(episode, t), state=state), episode.actions[t][None])
    batch = batch_of(replay)
    seen = batch.seen_state(torch.zeros(3, AGENTS, 1))
    assert seen.tolist() == [[10 * t + k for k in range(6)] for t in range(3)]
