"""Masked policies: unavailable actions do not exist."""

import math

import torch

from marlbench.toolbox.policies import entropy, gumbel, log_prob, masked_log_probs, sample


def example(rows: int = 500) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    avail = torch.rand(rows, 6, generator=generator) > 0.6
    avail[:, 2] |= ~avail.any(-1)
    return 3 * torch.randn(rows, 6, generator=generator), avail


def test_probabilities_sum_to_one_over_available_actions_only() -> None:
    logits, avail = example()
    for unimix in (0.0, 0.01):
        probs = masked_log_probs(logits, avail, unimix).exp()
        assert (probs[~avail] == 0).all()
        torch.testing.assert_close(probs.sum(-1), torch.ones(len(probs)))


def test_unimix_leaves_every_available_action_its_share() -> None:
    logits, avail = example()
    probs = masked_log_probs(100 * logits, avail, unimix=0.1).exp()
    share = 0.1 / avail.sum(-1, keepdim=True)
    assert (probs >= share * (1 - 1e-5))[avail].all()  # up to float32 rounding


def test_unimix_by_hand() -> None:
    probs = masked_log_probs(torch.tensor([0.0, 50.0, 0.0]), torch.tensor([1, 1, 0]).bool(), 0.2)
    torch.testing.assert_close(probs.exp(), torch.tensor([0.1, 0.9, 0.0]))


def test_samples_are_available_and_as_frequent_as_they_are_likely() -> None:
    logits, avail = torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([True, True, False, True])
    log_probs = masked_log_probs(logits, avail).expand(20_000, 4)
    drawn = sample(log_probs, gumbel((20_000, 4), torch.Generator().manual_seed(0)))
    frequency = torch.bincount(drawn, minlength=4) / 20_000
    assert frequency[2] == 0
    # three standard errors of a frequency at 20 000 draws are at most 0.011
    torch.testing.assert_close(frequency, log_probs[0].exp(), rtol=0, atol=0.011)


def test_entropy_of_uniform_and_of_a_single_available_action() -> None:
    avail = torch.tensor([[True, True, True, False], [False, True, False, False]])
    log_probs = masked_log_probs(torch.zeros(2, 4), avail)
    torch.testing.assert_close(entropy(log_probs), torch.tensor([math.log(3), 0.0]))


def test_log_prob_and_gradient_are_finite_where_actions_are_unavailable() -> None:
    logits, avail = example()
    logits.requires_grad_()
    for unimix in (0.0, 0.01):
        log_probs = masked_log_probs(logits, avail, unimix)
        chosen = log_prob(log_probs, avail.int().argmax(-1))
        (gradient,) = torch.autograd.grad((chosen + entropy(log_probs)).sum(), logits)
        assert gradient.isfinite().all()
        assert (gradient[~avail] == 0).all()
