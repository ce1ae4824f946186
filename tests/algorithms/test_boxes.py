"""Learners whose agents say numbers: they learn from what was said, and read what is played."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from marlbench.host import load_catalogue
from marlbench.testing.synthetic import BOUNDS, Sizes
from marlbench.testing.trial import Subject, Trial
from marlbench_dmawm.absorbing import absorbed, relabel
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.imagination import imagine
from marlbench_mappo.agent import Mappo

CATALOGUE = load_catalogue()
SIZES = Sizes(kind="box", actions=3)
LOW, HIGH = BOUNDS


def trial(name: str, settings: dict[str, Any] | None = None) -> Trial:
    """A small learner that plays a task of numbers."""
    return Subject.of(CATALOGUE.algorithm(name), settings).trial(SIZES)


def by_torch(mean: Tensor, log_std: Tensor, avail: Tensor, actions: Tensor) -> Tensor:
    """Log-probabilities (...) of what was said, by torch's normal and the definition."""
    each: Tensor = Normal(mean, log_std.exp().expand_as(mean)).log_prob(actions)
    return torch.where(avail, each, 0.0).sum(-1)


@pytest.mark.parametrize("settings", [{}, {"recurrent": False, "central_value": False}])
def test_mappo_learns_from_what_was_said_by_ratios_of_torchs_normal(
    settings: dict[str, Any],
) -> None:
    played = trial("mappo", settings)
    agent = played.agent
    assert isinstance(agent, Mappo)
    played.play(40)
    rows = agent.rollout.unnoted()
    said = rows["action"]
    assert ((said < LOW) | (said > HIGH)).any()  # unclipped
    before = {name: value.clone() for name, value in agent.actor.state_dict().items()}
    assert "decision.log_std" in before
    keep, avail = torch.from_numpy(~rows["first"]), torch.from_numpy(rows["avail"])
    outputs, _ = agent.actor(
        torch.from_numpy(rows["obs"]).flatten(1, 2), keep.repeat_interleave(2, 1), agent.actor_state
    )
    middle, reach = (HIGH + LOW) / 2, (HIGH - LOW) / 2
    mean = middle + reach * outputs.view(avail.shape)
    log_std = before["decision.log_std"] + np.log(reach)
    notes = agent.behaviour(rows)
    expected = by_torch(mean, log_std, avail, torch.from_numpy(said))
    np.testing.assert_allclose(notes["log_prob"], expected.detach(), rtol=1e-4, atol=1e-5)
    agent.actor_state = agent.start(3)
    (metrics,) = trial("mappo", settings | {"epochs": 1}).learn(updates=1)
    assert metrics["ratio"] == pytest.approx(1.0, abs=1e-5)
    played.learn(updates=1)
    moved = (agent.actor.state_dict()["decision.log_std"] - before["decision.log_std"]).abs()
    assert float(moved.min()) > 0


def test_greedy_play_says_the_means_and_its_noise_comes_from_what_is_passed() -> None:
    played = trial("mappo")
    agent, step, state = played.agent, played.step, played.policy_state
    greedy, _ = agent.act(step, state, np.random.default_rng(0), explore=False)
    again, _ = agent.act(step, state, np.random.default_rng(1), explore=False)
    one, _ = agent.act(step, state, np.random.default_rng(0), explore=True)
    other, _ = agent.act(step, state, np.random.default_rng(1), explore=True)
    assert (greedy.shape, greedy.dtype.name) == (step.avail.shape, "float32")
    assert (greedy == again).all()
    assert (one != other)[step.avail].all()
    assert (one[~step.avail] == 0).all()


def test_dmawm_reads_what_is_played_and_the_fused_scan_is_the_verbs_in_turn() -> None:
    agent = trial("dmawm").agent
    assert isinstance(agent, Dmawm)
    module, draws = agent.model.agent, torch.Generator().manual_seed(0)
    action = 3 * torch.randn(4, 5, 3, generator=draws)
    embed = module.embed(torch.randn(4, 5, 5, generator=draws))
    joined = torch.tensor([True, False, False, False])[:, None].expand(4, 5)
    h, z, _ = module.unroll(embed, action, joined, None)
    state = module.first_state().expand(5, -1)
    for t in range(4):
        torch.testing.assert_close(h[t], state)
        assert torch.equal(z[t], module.infer(state, embed[t]).argmax(-1))
        clipped, state = action[t].clamp(LOW, HIGH), module.next(state, z[t], action[t])
        torch.testing.assert_close(state, module.next(h[t], z[t], clipped))
    inside, near = torch.zeros(3), torch.full((3,), 0.1)
    assert not torch.equal(
        module.next(h[0, 0], z[0, 0], inside), module.next(h[0, 0], z[0, 0], near)
    )


def test_imagined_decisions_have_the_log_probability_of_what_was_said() -> None:
    played = trial("dmawm")
    played.learn(updates=1)
    agent = played.agent
    assert isinstance(agent, Dmawm)
    start = agent.imagination_start(agent.sample_batch())
    actor = agent.policy.actor
    rollout = imagine(agent.model, actor, start, 4, torch.Generator().manual_seed(0))
    for t in range(4):
        policy: Any = actor(rollout.h[t], rollout.z[t].long(), rollout.avail[t])
        expected = by_torch(policy.mean, policy.log_std, rollout.avail[t], rollout.action[t])
        torch.testing.assert_close(rollout.log_prob[t], expected.detach(), rtol=1e-4, atol=1e-4)
        whole = Independent(Normal(policy.mean, policy.log_std.exp().expand_as(policy.mean)), 1)
        everything = rollout.avail[t].all(-1)  # (R, A)
        said: Tensor = whole.log_prob(rollout.action[t])
        torch.testing.assert_close(
            rollout.log_prob[t][everything], said[everything].detach(), rtol=1e-4, atol=1e-4
        )
    assert (rollout.action[~rollout.avail] == 0).all()


def test_the_absent_say_nothing_and_the_replay_keeps_what_was_said() -> None:
    played = trial("dmawm")
    agent, spec = played.agent, played.env.spec
    assert isinstance(agent, Dmawm)
    for _ in range(30):
        step = played.step
        said = played.move()
        row = relabel(step, said, spec, bootstrap_timeouts=True)
        there = row["present"] & ~step.last[:, None]
        assert row["action"].dtype.name == "float32"
        assert (row["action"][there] == said[there]).all()
        assert not row["action"][~there].any()
        assert not row["avail"][~step.alive].any()
    windows = agent.replay.sample(np.random.default_rng(0), 4, 12, tail=2)
    batch = absorbed(windows, spec, agent.config)
    behind = ~torch.from_numpy(windows.real)
    assert batch.action.shape == (12, 4, 2, 3)
    assert not batch.action[behind].any()
    assert not batch.avail[behind].any()
