"""Advantages and targets against their definitions as sums, not the recursion again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from marlbench.toolbox.returns import gae, td_lambda_targets


def gae_by_definition(reward: Tensor, discount: Tensor, value: Tensor, lambda_: float) -> Tensor:
    """A_t = sum over k of (product of lambda discount from t to t+k-1) times delta_{t+k}."""
    length = len(reward)
    delta = [reward[t] + discount[t] * value[t + 1] - value[t] for t in range(length)]
    advantages = []
    for t in range(length):
        total, weight = torch.zeros_like(value[0]), torch.ones_like(value[0])
        for k in range(t, length):
            total = total + weight * delta[k]
            weight = weight * lambda_ * discount[k]
        advantages.append(total)
    return torch.stack(advantages)


def test_gae_equals_the_sum_over_all_later_errors() -> None:
    generator = torch.Generator().manual_seed(0)
    reward, value = torch.randn(9, 4, 3, generator=generator), torch.randn(10, 4, 3)
    discount = 0.99 * (torch.rand(9, 4, 3, generator=generator) > 0.3)
    for lambda_ in (0.0, 0.95, 1.0):
        expected = gae_by_definition(reward.double(), discount.double(), value.double(), lambda_)
        got = gae(reward.double(), discount.double(), value.double(), lambda_)
        # float64: both sum the same nine numbers of order 1 in another order
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-13)


def test_reward_that_arrives_with_the_end_counts_and_nothing_behind_it_does() -> None:
    reward = torch.tensor([0.0, 10.0, 100.0])
    discount = torch.tensor([0.9, 0.0, 0.9])  # the second transition ends the episode
    advantage = gae(reward, discount, torch.zeros(4), lambda_=1.0)
    torch.testing.assert_close(advantage, torch.tensor([9.0, 10.0, 100.0]))


def test_time_out_bootstraps() -> None:
    advantage = gae(torch.tensor([1.0]), torch.tensor([0.9]), torch.tensor([0.0, 10.0]), 0.95)
    torch.testing.assert_close(advantage, torch.tensor([10.0]))


GAMMA = 0.9
EXACT = 1e-12  # float64: the same few sums of numbers near 1 in another order


def mixture(reward: Tensor, values: Tensor, terminal: bool, lambda_: float) -> float:
    """Sum the n-step returns of an episode's rest (n,) with their weights, by definition.

    `values[k]` is V_{k+1}; n runs to the episode's end, whose return has the weight left over.
    """
    longest = len(reward)
    total, left = 0.0, 1.0
    for n in range(1, longest + 1):
        weight = left if n == longest else (1 - lambda_) * lambda_ ** (n - 1)
        left -= weight
        n_step = sum(GAMMA**k * float(reward[k]) for k in range(n))
        ends = terminal and n == longest
        n_step += 0.0 if ends else GAMMA**n * float(values[n - 1])
        total += weight * n_step
    return total


@pytest.mark.parametrize("lambda_", [0.0, 0.6, 1.0])
def test_targets_are_the_mixture_of_n_step_returns(lambda_: float) -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = [6, 6, 4, 1, 5, 1]
    terminal = [True, False, True, True, False, False]  # ends, time-out, ..., a cut at once
    shape = (6, len(lengths))  # (T, B)
    reward, values = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    time = torch.arange(6)[:, None]
    valid = time < torch.tensor(lengths)
    dies = (time == torch.tensor(lengths) - 1) & torch.tensor(terminal)
    discount = GAMMA * (~dies).double()
    targets = td_lambda_targets(reward, discount, values, valid, lambda_)
    for b, length in enumerate(lengths):
        for t in range(length):
            rest = slice(t, length)
            expected = mixture(reward[rest, b], values[rest, b], terminal[b], lambda_)
            assert float(targets[t, b]) == pytest.approx(expected, abs=EXACT)
        assert (targets[length:, b] == 0).all()


def test_padding_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(1)
    reward, values = torch.randn(2, 5, 1, generator=generator, dtype=torch.float64)
    discount = torch.full((5, 1), GAMMA, dtype=torch.float64)
    valid = torch.tensor([True, True, True, False, False])[:, None]
    alone = td_lambda_targets(reward[:3], discount[:3], values[:3], valid[:3], 0.6)
    reward[3:], values[3:] = 1e6, -1e6
    torch.testing.assert_close(
        td_lambda_targets(reward, discount, values, valid, 0.6)[:3], alone, rtol=0, atol=0
    )


def test_a_death_of_the_episode_bootstraps_nothing_and_a_time_out_everything() -> None:
    reward, valid = torch.tensor([[1.0, 1.0]]), torch.tensor([[True, True]])  # T = 1, two episodes
    discount, values = torch.tensor([[0.0, 0.5]]), torch.tensor([[10.0, 10.0]])
    targets = td_lambda_targets(reward, discount, values, valid, 0.6)
    assert targets.tolist() == [[1.0, 6.0]]


def test_each_agent_may_have_its_own_value() -> None:
    generator = torch.Generator().manual_seed(2)
    reward = torch.randn(4, 3, 1, generator=generator)
    values = torch.randn(4, 3, 2, generator=generator)
    valid, discount = torch.ones(4, 3, 1, dtype=torch.bool), torch.full((4, 3, 1), GAMMA)
    targets = td_lambda_targets(reward, discount, values, valid, 0.6)
    for agent in range(2):
        own = td_lambda_targets(reward, discount, values[..., agent : agent + 1], valid, 0.6)
        assert torch.equal(targets[..., agent : agent + 1], own)
