"""The KL by slices of time is its formula, and so are its gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from marlbench_mamba.divergence import EPS, balanced_divergence

# float64: sums of a few hundred numbers near 1
EXACT = 1e-13


def drawn(seed: int) -> Tensor:
    """Logits (T, B, K, C), some of them far apart."""
    generator = torch.Generator().manual_seed(seed)
    return 4 * torch.randn(3, 5, 2, 6, generator=generator, dtype=torch.float64)


def formula(q: Tensor, logits: Tensor) -> Tensor:
    p = logits.softmax(-1)
    return (q * ((q + EPS).log() - (p + EPS).log())).sum(-1).mean()


def test_value_and_shares_of_the_gradient_are_the_formulas() -> None:
    q, logits = drawn(0).softmax(-1).requires_grad_(), drawn(1).requires_grad_()
    found, expected = balanced_divergence(q, logits, 0.2), formula(q, logits)
    torch.testing.assert_close(found, expected, rtol=EXACT, atol=EXACT)
    ours = torch.autograd.grad(3 * found, (q, logits))
    theirs = torch.autograd.grad(3 * expected, (q, logits))
    for mine, reference, share in zip(ours, theirs, (0.2, 0.8), strict=True):
        torch.testing.assert_close(mine, share * reference, rtol=EXACT, atol=EXACT)


def test_a_class_that_neither_has_costs_nothing() -> None:
    q = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    logits = torch.tensor([[[0.0, -1e4]]], requires_grad=True)
    kl = balanced_divergence(q, logits, 0.5)
    assert kl.item() == 0
    for gradient in torch.autograd.grad(kl, (q, logits)):
        assert gradient.isfinite().all()


def test_a_second_backward_pass_is_refused() -> None:
    q, logits = drawn(0).softmax(-1).requires_grad_(), drawn(1)
    kl = balanced_divergence(q, logits, 0.2)
    kl.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        kl.backward()
