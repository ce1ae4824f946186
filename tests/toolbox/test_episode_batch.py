"""A draw of episodes as tensors is what was played, step by step; crashes cut, rewards add up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.episode_batch import Batch, episode_fields, lay_out, record
from marlbench.toolbox.episode_replay import EpisodeReplay

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
