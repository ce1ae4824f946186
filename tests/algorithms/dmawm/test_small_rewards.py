"""Rewards far below two-hot's bins are counted in units of their own size."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, episode_return
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.config import Config
from marlbench_dmawm.presets import PRESETS

COPIES, LIMIT, SMALL = 8, 10, 1 / 64


def paid(actions: NDArray[np.float32]) -> NDArray[np.float32]:
    """What actions (..., 2) earn (...), before it is made small."""
    return actions[..., 0] - actions[..., 1]


class Paid:
    """Each agent earns its first number less its second, times `size`; nothing else happens."""

    spec = EnvSpec(
        num_agents=2,
        obs_shape=(2,),
        num_actions=2,
        episode_limit=LIMIT,
        actions="box",
        bounds=((-1.0, 1.0),) * 2,
        reward="individual",
        metrics=(episode_return(-1.0, 1.0),),
        simulator="paid 1",
    )

    def __init__(self, size: float) -> None:
        self.size = size

    def reset(self, seed: int) -> Step:
        """Begin the episode, which is always the same."""
        self.time = 0
        return self.seen(np.zeros(2, np.float32))

    def step(self, actions: NDArray[Any]) -> Step:
        """Pay for actions (A, 2)."""
        self.time += 1
        return self.seen(self.size * paid(actions))

    def close(self) -> None:
        """Nothing is held."""

    def seen(self, reward: NDArray[np.float32]) -> Step:
        """The one observation there is, and a reward (A,)."""
        return Step(
            obs=np.ones((2, 2), np.float32),
            avail=np.ones((2, 2), np.bool_),
            alive=np.ones(2, np.bool_),
            reward=reward,
            first=self.time == 0,
            last=self.time == LIMIT,
            terminal=False,
        )


def played(size: float = SMALL, **changes: Any) -> Dmawm:
    """One that saw 400 steps of random play, its model trained alone."""
    small = {**PRESETS["smoke"], "num_envs": COPIES, "batch": 64, "length": 4, "decoder_units": 64}
    agent = Dmawm(Config(**{**small, **changes}), Paid.spec, 0, "cpu")
    copies, rng = SyncVectorEnv(partial(Paid, size), COPIES), np.random.default_rng(0)
    seeds = np.zeros(COPIES, np.int64)
    step = copies.reset(seeds)
    for _ in range(400 // COPIES):
        actions = random_actions(copies.spec, step, rng)
        agent.observe(step, actions)
        step = copies.step(actions, seeds)
    agent.pretrain()
    return agent


def imagined(agent: Dmawm) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rewards (B, A) one step ahead of beginnings under random actions, and what they are."""
    rng, each = np.random.default_rng(1), (1, 256)
    actions = rng.uniform(-1, 1, (*each, 2, 2)).astype(np.float32)
    begins, there = np.ones(each, np.bool_), np.ones((*each, 2), np.bool_)
    seen = Step(
        obs=np.ones((*each, 2, 2), np.float32),
        avail=np.ones((*each, 2, 2), np.bool_),
        alive=there,
        reward=np.zeros(there.shape, np.float32),
        first=begins,
        last=~begins,
        terminal=~begins,
    )
    found = agent.imagine(seen, actions, rng).reward
    assert found is not None
    return found[0], SMALL * paid(actions[0])


def test_how_small_they_are_makes_no_difference_to_what_is_learnt() -> None:
    """A power of two, so that units and quotients are exact in float32."""
    one, other = (played(size, pretrain=3) for size in (SMALL, SMALL / 8))
    for each, its in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(each, its)
    unit = float(one.model.reward_unit)
    assert 0 < unit == 8 * float(other.model.reward_unit)
    ours, theirs = (imagined(agent)[0] for agent in (one, other))
    assert ours.std() > 0
    np.testing.assert_array_equal(ours, 8 * theirs)


def test_their_unit_is_their_mean_size_without_zeros_and_is_saved() -> None:
    agent = played(pretrain=0)
    rewards = agent.replay.arrays["reward"][: agent.replay.written]
    expected = np.abs(rewards[rewards != 0]).mean()
    assert float(agent.model.reward_unit) == pytest.approx(float(expected))
    other = Dmawm(agent.config, agent.spec, 1, "cpu")
    other.load(copy.deepcopy(agent.state()))
    assert float(other.model.reward_unit) == float(agent.model.reward_unit)


@pytest.mark.parametrize(
    ("size", "weight"), [(1.0, 5.0), (0.0, 5.0), (SMALL, 0.0)], ids=["large", "none", "off"]
)
def test_all_else_is_counted_as_it_is(size: float, weight: float) -> None:
    assert float(played(size, pretrain=0, small_rewards=weight).model.reward_unit) == 1


def test_the_objective_weighs_and_scores_them_in_their_unit() -> None:
    agent = played(pretrain=0)
    model, batch = agent.model, agent.sample_batch()
    torch.nn.init.normal_(list(model.environment.reward.parameters())[-1])  # it starts at nothing
    states = model.observe(batch, uniform=None)
    loss, means = model.loss(batch, states)
    logits = model.environment.reward(model.environment.context(states.h))
    score = model.twohot.loss(logits, batch.reward / model.reward_unit)
    torch.testing.assert_close(means["reward"], (score * batch.told).sum() / batch.told.sum())
    c = model.config
    decoder = means["obs"] + c.small_rewards * means["reward"] + means["cont"] + means["avail"]
    kl = c.beta_dyn * means["dyn"] + c.beta_rep * means["rep"]
    torch.testing.assert_close(loss, kl + c.beta_dec * decoder)  # float32, in another order


@pytest.mark.slow
def test_they_are_learnt() -> None:
    """As they are, 150 updates explain nothing of them."""
    foreseen, true = imagined(played(pretrain=150))
    assert 1 - np.square(foreseen - true).mean() / true.var() > 0.7
