"""Advantages against their definition as a sum, not the recursion again."""

import torch
from torch import Tensor

from marlbench.toolbox.returns import gae


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
