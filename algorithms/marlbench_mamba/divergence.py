"""The balanced KL of posterior and prior, time by time, in tensors that stay in a core's cache.

A batch of probabilities does not (paper: 3600 states of 32 x 32, 15 MB), and written with torch's
operations the KL and its gradients pass over tensors of that size some thirty times.

q, p      posterior and prior probabilities of the classes
eps       keeps logarithms and gradients finite                   `EPS`
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["balanced_divergence"]

EPS = 1e-7
"""Added to both probabilities [code: agent/optim/utils.py]."""


def balanced_divergence(posterior: Tensor, prior: Tensor, balance: float) -> Tensor:
    """KL(q||p), a mean over all but the classes, of q (T, ..., C) and the logits of p (T, ..., C).

    `sum_c q (log(q + eps) - log(p + eps))`. Of its gradient the posterior gets the share `balance`,
    the prior the rest.
    """
    return Divergence.apply(posterior, prior, balance)  # type: ignore[no-untyped-call]


class Divergence(torch.autograd.Function):
    """The mean, and its gradients, made while a time's numbers are at hand."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        """Give the mean () of q, the logits of p and the posterior's share of the gradient."""
        posterior, prior, balance = arguments
        to_posterior, to_prior = torch.empty_like(posterior), torch.empty_like(prior)
        total = posterior.new_zeros(())
        times = zip(posterior, prior, to_posterior, to_prior, strict=True)
        for q, logits, to_q, to_logits in times:
            p = logits.softmax(-1)
            near_q, over_p = q + EPS, (p + EPS).reciprocal_()
            apart = (near_q * over_p).log_()
            total += (q * apart).sum()
            torch.addcdiv(apart, q, near_q, out=to_q)
            ratio = (q * over_p).mul_(p)  # the gradient of p is -q / (p + eps)
            torch.sub(p * ratio.sum(-1, keepdim=True), ratio, out=to_logits)
        count = posterior[..., 0].numel()
        ctx.save_for_backward(to_posterior, to_prior)
        ctx.shares = balance / count, (1 - balance) / count
        return total / count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of q and of the logits, in place: torch refuses a second pass."""
        shared = zip(ctx.saved_tensors, ctx.shares, strict=True)
        return *(gradient.mul_(grad * share) for gradient, share in shared), None
