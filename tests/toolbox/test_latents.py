"""Discrete latents against torch.distributions, dense products and by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Categorical, Independent, kl_divergence

from marlbench.toolbox import latents
from marlbench.toolbox.latents import (
    LatentLinear,
    balanced_kl,
    class_rows,
    latent_kl,
    latent_log_probs,
    sample_classes,
    straight_through_rows,
)


@pytest.mark.parametrize("classes", [5, 300])
def test_it_is_the_product_with_one_hots_and_so_are_its_gradients(classes: int) -> None:
    """In double precision, where the order of a sum does not show (tolerance: torch's 1e-7).

    300 classes do not fit a byte, for which the gradient takes the dense way.
    """
    torch.manual_seed(0)
    drawn = torch.randint(classes, (4, 7, 3))
    weight = torch.randn(3 * classes, 6, dtype=torch.double, requires_grad=True)
    logits = torch.randn(4, 7, 3, classes, dtype=torch.double, requires_grad=True)
    up = torch.randn(4, 7, 6, dtype=torch.double)
    probs = logits.softmax(-1)
    onehot = F.one_hot(drawn, classes) + probs - probs.detach()
    dense = onehot.flatten(-2) @ weight
    expected = torch.autograd.grad(dense, [weight, logits], up, retain_graph=True)
    ours = straight_through_rows(drawn, probs, weight)
    torch.testing.assert_close(ours, dense)
    torch.testing.assert_close(torch.autograd.grad(ours, [weight, logits], up), expected)
    plain = class_rows(drawn, weight)
    torch.testing.assert_close(plain, dense)
    torch.testing.assert_close(torch.autograd.grad(plain, weight, up), expected[:1])


def test_classes_may_be_bytes() -> None:
    drawn = torch.randint(256, (9, 2), dtype=torch.uint8)
    weight = torch.randn(512, 3)
    assert torch.equal(class_rows(drawn, weight), class_rows(drawn.long(), weight))


def test_classes_that_none_has_get_no_gradient() -> None:
    grad = latents.gathered(torch.ones(2, 3), torch.tensor([[1], [1]]), rows=4)
    assert grad.tolist() == [[0.0] * 3, [2.0] * 3, [0.0] * 3, [0.0] * 3]


def random_log_probs(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return latent_log_probs(
        torch.randn(*shape[:-1], shape[-2] * shape[-1], generator=generator).double()
        if len(shape) == 2
        else torch.randn(*shape[:-2], shape[-2] * shape[-1], generator=generator).double(),
        shape[-2],
        unimix=0.01,
    )


def test_unimix_mixes_in_the_uniform() -> None:
    log_probs = latent_log_probs(torch.tensor([100.0, 0.0, 0.0, 0.0, 0.0, 0.0]), 2, unimix=0.3)
    expected = torch.tensor([[0.8, 0.1, 0.1], [1 / 3, 1 / 3, 1 / 3]])
    torch.testing.assert_close(log_probs.exp(), expected)


def test_kl_is_the_sum_over_categoricals_of_the_distributions_own() -> None:
    p, q = random_log_probs(0, 7, 4, 5), random_log_probs(1, 7, 4, 5)
    expected = kl_divergence(
        Independent(Categorical(logits=p), 1), Independent(Categorical(logits=q), 1)
    )
    torch.testing.assert_close(latent_kl(p, q), expected)


def test_free_nats_clip_the_sum_and_stop_its_gradient() -> None:
    posterior, prior = random_log_probs(2, 50, 4, 5), random_log_probs(3, 50, 4, 5)
    prior[::2] = posterior[::2] + 1e-3 * prior[::2]  # nearly equal: within the free nats
    prior = prior.log_softmax(-1).requires_grad_()
    dynamics, representation = balanced_kl(posterior, prior, free_nats=0.5)
    plain = latent_kl(posterior, prior)
    torch.testing.assert_close(dynamics, plain.clamp(min=0.5))
    torch.testing.assert_close(representation, dynamics)
    assert (plain[::2] < 0.5).all()
    assert (plain[1::2] > 0.5).any()
    (gradient,) = torch.autograd.grad(dynamics.sum(), prior)
    assert (gradient[::2] == 0).all()
    assert (gradient[1::2][plain[1::2] > 0.5] != 0).any()


def test_each_balanced_term_trains_its_own_side_alone() -> None:
    posterior = random_log_probs(4, 6, 3, 4).requires_grad_()
    prior = random_log_probs(5, 6, 3, 4).requires_grad_()
    dynamics, representation = balanced_kl(posterior, prior, free_nats=0.0)
    inputs = (posterior, prior)
    to_posterior, to_prior = torch.autograd.grad(dynamics.sum(), inputs, allow_unused=True)
    assert to_posterior is None
    assert to_prior.abs().sum() > 0
    to_posterior, to_prior = torch.autograd.grad(representation.sum(), inputs, allow_unused=True)
    assert to_posterior.abs().sum() > 0
    assert to_prior is None


def test_classes_are_drawn_as_often_as_they_are_likely() -> None:
    probs = torch.tensor([[0.5, 0.0, 0.3, 0.2], [0.0, 0.1, 0.9, 0.0]])
    uniform = torch.rand(40_000, 2, generator=torch.Generator().manual_seed(0))
    drawn = sample_classes(probs.expand(40_000, 2, 4), uniform)
    for k in range(2):
        frequency = torch.bincount(drawn[:, k], minlength=4) / 40_000
        # three standard errors of a frequency at 40 000 draws are at most 0.0075
        torch.testing.assert_close(frequency, probs[k], rtol=0, atol=0.0075)
        assert (frequency[probs[k] == 0] == 0).all()


def test_without_uniform_numbers_the_likeliest_class_is_taken() -> None:
    probs = torch.tensor([[0.3, 0.0, 0.3, 0.4], [0.0, 0.1, 0.9, 0.0]])
    assert sample_classes(probs, None).tolist() == [3, 2]


def test_the_extreme_uniform_numbers_give_classes_that_exist() -> None:
    probs = random_log_probs(6, 1000, 3, 32).float().exp()
    for uniform in (torch.zeros(1000, 3), torch.full((1000, 3), 1 - 2**-24)):
        drawn = sample_classes(probs, uniform)
        assert drawn.min() >= 0
        assert drawn.max() < 32


def test_a_layer_reads_classes_and_is_straight_through_to_their_probabilities() -> None:
    """The gradients of both against dense one-hots; float64, where a sum's order does not show."""
    layer = LatentLinear(categoricals=3, classes=4, features=7).double()
    classes = torch.randint(0, 4, (2, 5, 3), generator=torch.Generator().manual_seed(0))
    log_probs = random_log_probs(7, 2, 5, 3, 4).requires_grad_()
    probs = log_probs.exp()
    onehots = torch.nn.functional.one_hot(classes, 4).double() + probs - probs.detach()
    dense = onehots.flatten(-2) @ layer.weight  # (2, 5, D)
    ours = layer(classes, probs)
    torch.testing.assert_close(layer(classes), dense)
    torch.testing.assert_close(ours, dense)
    to = (layer.weight, log_probs)
    expected = torch.autograd.grad(dense.square().sum(), to, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(ours.square().sum(), to), expected)
