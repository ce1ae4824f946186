"""The Gaussian of a box against torch.distributions, at its edges, and in PPO's ratio."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from marlbench.plugin import EnvSpec
from marlbench.toolbox import policies
from marlbench.toolbox.decisions import Box, Categorical, Discrete, Gaussian, decision
from marlbench.toolbox.ppo import ppo_clip

BOUNDS = ((-1.0, 1.0), (0.0, 10.0), (-math.inf, math.inf), (-math.inf, 3.0))
MIDDLE, REACH = torch.tensor([0.0, 5.0, 0.0, 0.0]), torch.tensor([1.0, 5.0, 1.0, 1.0])


def box(log_std: tuple[float, ...] = (0.3, -1.0, 0.0, 0.7)) -> Box:
    """A box whose deviations have been learnt."""
    built = Box(BOUNDS)
    with torch.no_grad():
        built.log_std.copy_(torch.tensor(log_std))
    return built


def outputs(*shape: int, seed: int = 0) -> Tensor:
    """What a network may have given."""
    return torch.randn(*shape, 4, generator=torch.Generator().manual_seed(seed))


def theirs(built: Box, given: Tensor) -> Any:
    """The same policy by torch."""
    return Independent(Normal(MIDDLE + REACH * given, REACH * built.log_std.exp()), 1)


def test_log_prob_and_entropy_are_those_of_torchs_normal() -> None:
    built, given = box(), outputs(5, 3)
    ours, expected = built(given, torch.ones(5, 3, 4, dtype=torch.bool)), theirs(built, given)
    actions = expected.sample()
    torch.testing.assert_close(ours.log_prob(actions), expected.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), expected.entropy())
    torch.testing.assert_close(ours.mode(), expected.mean)


def test_entropy_is_the_mean_surprise_of_what_is_sampled() -> None:
    policy = box()(outputs(1).expand(200_000, 4), torch.ones(200_000, 4, dtype=torch.bool))
    noise = box().own_noise(torch.Generator().manual_seed(1), (200_000, 4))
    surprise = -policy.log_prob(policy.sample(noise)).detach()
    expected = policy.entropy()[0].item()
    assert float(surprise.mean()) == pytest.approx(expected, abs=0.02)


def test_gradients_of_ppos_loss_equal_those_through_torchs_normal() -> None:
    """The ratio is the product of the numbers' ratios, the deviations learn too."""
    advantage = torch.randn(64, generator=torch.Generator().manual_seed(3))
    actions = theirs(box(), outputs(64)).sample()
    old = theirs(box(), outputs(64)).log_prob(actions).detach()
    gradients = []
    for ours in (True, False):
        built, given = box((0.4, -0.9, 0.1, 0.6)), outputs(64).add(0.05).requires_grad_()
        if ours:
            policy = built(given, torch.ones(64, 4, dtype=torch.bool))
            new, spread = policy.log_prob(actions), policy.entropy()
        else:
            by_torch = theirs(built, given)
            new, spread = by_torch.log_prob(actions), by_torch.entropy()
            ratio = (new - old).exp()
            apart = Normal(*_moments(built, given)).log_prob(actions)
            torch.testing.assert_close(ratio, (apart.sum(-1) - old).exp())
        (ppo_clip(new, old, advantage, 0.2) - 0.01 * spread).mean().backward()
        assert given.grad is not None
        assert built.log_std.grad is not None
        gradients.append((given.grad, built.log_std.grad))
    torch.testing.assert_close(gradients[0], gradients[1])


def _moments(built: Box, given: Tensor) -> tuple[Tensor, Tensor]:
    return MIDDLE + REACH * given, REACH * built.log_std.exp()


def test_numbers_that_are_not_the_agents_count_nothing_and_are_zero() -> None:
    built, given, noise = box(), outputs(2), torch.ones(2, 4)
    avail = torch.tensor([[True, False, True, False], [False] * 4])
    policy = built(given, avail)
    one = Gaussian(policy.mean[:, ::2], policy.log_std[::2], torch.ones(2, 2, dtype=torch.bool))
    sampled = policy.sample(noise)
    assert sampled[0, 1] == sampled[0, 3] == 0
    assert (sampled[1] == 0).all()
    assert (policy.mode()[1] == 0).all()
    torch.testing.assert_close(policy.log_prob(sampled)[0], one.log_prob(sampled[:, ::2])[0])
    torch.testing.assert_close(policy.entropy()[0], one.entropy()[0])
    assert policy.log_prob(sampled)[1] == 0
    assert policy.entropy()[1] == 0


def test_what_is_played_is_clipped_to_the_edges_of_the_box() -> None:
    said = torch.tensor([[-1.0, 0.0, -1e9, -1e9], [1.0, 10.0, 1e9, 3.0], [-7.0, 99.0, 2.0, 9.0]])
    played = box().played(said)
    assert played[0].tolist() == [-1.0, -1.0, -1e9, -1e9]
    assert played[1].tolist() == [1.0, 1.0, 1e9, 3.0]
    assert played[2].tolist() == [-1.0, 1.0, 2.0, 3.0]


def test_a_new_policy_is_spread_over_its_box() -> None:
    built = Box(((0.0, 10.0),))
    policy = built(torch.zeros(1000, 1), torch.ones(1000, 1, dtype=torch.bool))
    drawn = policy.sample(built.noise(np.random.default_rng(0), (1000, 1))).detach()
    assert float(drawn.mean()) == pytest.approx(5.0, abs=0.5)
    assert float(drawn.std()) == pytest.approx(5.0, abs=0.5)


def test_discrete_decisions_are_the_functions_of_policies() -> None:
    logits, avail = outputs(6), torch.rand(6, 4) < 0.7
    avail[:, 0] = True
    policy, made = Discrete()(logits, avail), policies.masked_log_probs(logits, avail)
    noise = Discrete().noise(np.random.default_rng(0), (6, 4))
    assert isinstance(policy, Categorical)
    assert torch.equal(policy.log_probs, made)
    actions = policy.sample(noise)
    assert torch.equal(actions, policies.sample(made, noise))
    assert torch.equal(policy.log_prob(actions), policies.log_prob(made, actions))
    assert torch.equal(policy.entropy(), policies.entropy(made))
    assert not list(Discrete().parameters())


def test_the_task_decides_the_kind() -> None:
    spec = EnvSpec(2, (3,), 4, 5)
    assert isinstance(decision(spec), Discrete)
    numbers = EnvSpec(2, (3,), 2, 5, actions="box", bounds=((-1.0, 1.0),) * 2)
    assert isinstance(decision(numbers), Box)
