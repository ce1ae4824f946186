"""MAT where its rows meet the host's: ends, time-outs, deaths, and what acting drew."""

from typing import Any

import numpy as np
import pytest
import torch

from marlbench.plugin import Env
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_mat.agent import Mat, weighed
from marlbench_mat.config import MatConfig
from marlbench_probe.clocks import Counting, Deaths
from marlbench_probe.pixels import Pixels
from tests.algorithms.on_policy import collected, insist_on_real_transitions


def build(env: type[Env], **settings: Any) -> tuple[Mat, SyncVectorEnv]:
    """A small learner and its copies of a probe."""
    small = {"num_envs": 3, "rollout_steps": 20, "embedding": 8, "epochs": 2} | settings
    copies = SyncVectorEnv(env, small["num_envs"])
    return Mat(MatConfig.model_validate(small), copies.spec, seed=0, device="cpu"), copies


def play(agent: Mat, copies: SyncVectorEnv, steps: int) -> None:
    """Show so many rows."""
    seeds = np.arange(copies.num_envs)
    step = copies.reset(seeds)
    agent.start(copies.num_envs)
    for index in range(steps):
        actions, _ = agent.act(step, None, np.random.default_rng(0), explore=True)
        agent.observe(step, actions)
        step = copies.step(actions, seeds + index)


def test_sampled_actions_are_decided_by_the_randomness_passed() -> None:
    agent, copies = build(Deaths)
    step = copies.reset(np.arange(3))
    draws = [
        agent.act(step, None, np.random.default_rng(k), explore=True)[0]
        for k in (0, 1, 2, 3, 0, 1, 2, 3)
    ]
    assert np.array_equal(draws[:4], draws[4:])
    assert len(np.unique(np.stack(draws), axis=0)) > 1


def test_actions_are_drawn_with_the_policys_probabilities() -> None:
    agent, copies = build(Deaths)
    torch.manual_seed(0)
    for parameter in agent.transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)  # so that actions are not equally likely
    step = copies.reset(np.arange(3))
    draws = np.stack(
        [agent.act(step, None, np.random.default_rng(k), explore=True)[0][0] for k in range(3000)]
    )
    pairs, counts = np.unique(draws, axis=0, return_counts=True)
    for pair, count in zip(pairs, counts, strict=True):
        batch = {
            "obs": torch.from_numpy(step.obs[:1]),
            "avail": torch.from_numpy(step.avail[:1]),
            "action": torch.from_numpy(pair)[None],
        }
        log_probs, _ = agent.evaluate(batch)
        chance = log_probs[0].gather(-1, torch.from_numpy(pair)[:, None]).sum().exp().item()
        spread = (chance * (1 - chance) / 3000) ** 0.5
        assert abs(count / 3000 - chance) < 5 * spread  # five standard deviations


def test_a_rollout_holds_real_transitions_of_the_host_and_no_others() -> None:
    agent, copies = build(Counting)
    play(agent, copies, 40)
    insist_on_real_transitions(collected(agent))


@pytest.mark.parametrize("bootstrap", [False, True])
def test_only_a_time_out_depends_on_the_setting(bootstrap: bool) -> None:
    agent, copies = build(Counting, bootstrap_timeouts=bootstrap)
    play(agent, copies, 40)
    data = collected(agent)
    before, value = agent.advantages(data)
    data.next_noted["value"][torch.from_numpy(data.next["last"])] += 1
    after, _ = agent.advantages(data)
    timeout = data.next["last"] & ~data.next["terminal"]
    assert timeout.any()
    assert data.next["terminal"].any()
    moved = (before != after)[..., 0].numpy()
    assert np.array_equal(moved[data.next["last"]], timeout[data.next["last"]] & bootstrap)
    assert value.shape == (20, 3, 2)


def test_dead_agents_count_for_the_value_but_not_for_the_policy() -> None:
    agent, copies = build(Deaths)
    play(agent, copies, 60)
    batch = weighed(agent.batch(collected(agent)))
    dead = ~batch["alive"]
    assert dead.any()
    before = agent.loss(batch)[1]
    batch["advantage"][dead] += 100
    batch["log_prob"][dead] -= 5
    batch["target"][dead] += 100
    after = agent.loss(batch)[1]
    assert torch.equal(after["policy_loss"], before["policy_loss"])
    assert torch.equal(after["entropy"], before["entropy"])
    assert after["value_loss"] > before["value_loss"]


def test_images_are_learnt_from() -> None:
    agent, copies = build(Pixels, rollout_steps=4, num_envs=2)
    before = [p.clone() for p in agent.encoder.parameters()]
    play(agent, copies, 12)
    assert agent.update() is not None
    moved = [not torch.equal(*p) for p in zip(before, agent.encoder.parameters(), strict=True)]
    assert sum(moved) >= len(moved) - 1


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="embedding=10 must be a multiple of heads=3"):
        MatConfig(embedding=10, heads=3)
