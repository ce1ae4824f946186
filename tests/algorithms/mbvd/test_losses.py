"""The latent model's losses are their definitions, written out with torch's own distributions."""

from __future__ import annotations

import torch
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from marlbench_mbvd.latent_model import Gaussian
from marlbench_mbvd.losses import (
    availability_error,
    balanced_kl,
    error,
    kl_from_standard,
    surprise,
)

# float64, but for the 1e-8 that the copy adds to the prior's variance
RELATIVE, ABSOLUTE = 1e-6, 1e-7


def gaussian(seed: int) -> Gaussian:
    torch.manual_seed(seed)
    parts = (torch.randn(6, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    return Gaussian(*parts)


def normal(each: Gaussian) -> Normal:
    return Normal(each.mean, (0.5 * each.log_variance).exp())


def test_kl_is_that_of_the_distributions_and_its_gradient_is_shared_by_the_balance() -> None:
    q, p = gaussian(0), gaussian(1)
    expected = kl_divergence(normal(q), normal(p)).mean()
    found = balanced_kl(q, p, 0.7)
    torch.testing.assert_close(found, expected, rtol=RELATIVE, atol=ABSOLUTE)
    ours = torch.autograd.grad(found, [*q, *p])
    theirs = torch.autograd.grad(expected, [*q, *p])
    for mine, reference, share in zip(ours, theirs, (0.3, 0.3, 0.7, 0.7), strict=True):
        torch.testing.assert_close(mine, share * reference, rtol=RELATIVE, atol=ABSOLUTE)


def test_kl_from_the_standard_normal() -> None:
    p = gaussian(2)
    expected = kl_divergence(normal(p), Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(kl_from_standard(p), expected, rtol=RELATIVE, atol=ABSOLUTE)


def test_surprise_is_the_mean_over_actions_too() -> None:
    logits, action = torch.randn(5, 2, 4, dtype=torch.float64), torch.randint(0, 4, (5, 2))
    expected = -Categorical(logits=logits).log_prob(action).mean() / 4
    torch.testing.assert_close(surprise(logits, action), expected, rtol=RELATIVE, atol=ABSOLUTE)


def test_availability_is_told_by_likelihood() -> None:
    logits, truth = torch.randn(5, 2, 4, dtype=torch.float64), torch.rand(5, 2, 4) < 0.5
    expected = -Bernoulli(logits=logits).log_prob(truth.double()).mean()
    torch.testing.assert_close(
        availability_error(logits, truth), expected, rtol=RELATIVE, atol=ABSOLUTE
    )


def test_error_is_the_mean_square() -> None:
    assert error(torch.tensor([1.0, 5.0]), torch.tensor([1.0, 2.0])).item() == 4.5


def test_a_sample_is_mean_and_scaled_noise() -> None:
    each = Gaussian(torch.tensor([1.0]), torch.tensor([4.0]).log())
    torch.testing.assert_close(each.sample(torch.tensor([-0.5])), torch.tensor([0.0]))
