"""Discrete latent states: vectors of K categoricals with C classes each, their samples and KL.

Hafner et al. 2021, arXiv:2010.02193v4 (straight-through categoricals, KL balancing) and
Hafner et al. 2023, arXiv:2301.04104v2 (1 % uniform mix, free bits).

A latent state is kept as K indices; a dense product with its one-hot vector multiplies by zero
K (C - 1) times of K C, and so does the product for its weight's gradient. `class_rows` sums rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.toolbox.linear import product
from marlbench.toolbox.networks import initialise

__all__ = [
    "LatentLinear",
    "LatentState",
    "balanced_kl",
    "class_rows",
    "latent_kl",
    "latent_log_probs",
    "sample_classes",
    "straight_through_rows",
]


def class_rows(classes: Tensor, weight: Tensor) -> Tensor:
    """Give `onehot(classes) W` (..., D) of class indices (..., K) and a matrix (K*C, D).

    >>> class_rows(torch.tensor([1, 0]), torch.tensor([[1.0], [2.0], [30.0], [40.0]]))
    tensor([32.])
    """
    flat = classes.reshape(-1, classes.shape[-1])  # (N, K)
    rows = Rows.apply(flat, weight, None)  # type: ignore[no-untyped-call]
    return rows.view(*classes.shape[:-1], -1)


def straight_through_rows(classes: Tensor, probs: Tensor, weight: Tensor) -> Tensor:
    """Give the same (..., D), with the gradient for probs (..., K, C) that the one-hots would get.

    It is `(onehot + probs - detach(probs)) W`, the straight-through estimate [Bengio et al. 2013,
    arXiv:1308.3432v1].
    """
    flat = classes.reshape(-1, classes.shape[-1])  # (N, K)
    likely = probs.reshape(len(flat), -1)  # (N, K*C)
    rows = Rows.apply(flat, weight, likely)  # type: ignore[no-untyped-call]
    return rows.view(*classes.shape[:-1], -1)


class Rows(torch.autograd.Function):
    """The sum of rows with its gradients, for the weight again sums of rows."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        """Give (N, D) of classes (N, K), weight (K*C, D) and probs (N, K*C) or None."""
        classes, weight, _ = arguments
        ctx.save_for_backward(classes, weight)
        return F.embedding_bag(flat_rows(classes, len(weight)), weight, mode="sum")

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of the weight and, where it is asked for, of the probs."""
        classes, weight = ctx.saved_tensors
        to_weight = gathered(grad, classes, len(weight)) if ctx.needs_input_grad[1] else None
        to_probs = product(grad, weight) if ctx.needs_input_grad[2] else None
        return None, to_weight, to_probs


def flat_rows(classes: Tensor, rows: int) -> Tensor:
    """Where in a matrix of so many rows (K*C) the classes (N, K) stand."""
    categoricals = classes.shape[1]
    first = torch.arange(0, rows, rows // categoricals, device=classes.device)  # (K,)
    return classes.long() + first


def gathered(grad: Tensor, classes: Tensor, rows: int) -> Tensor:
    """Give `onehot(classes)' grad` (K*C, D): for each class, the sum of grad (N, D) where it is."""
    places = flat_rows(classes, rows)
    if not grad.is_cpu or rows // classes.shape[1] > 256:
        onehot = grad.new_zeros(len(grad), rows).scatter_(1, places, 1.0)
        return onehot.t() @ grad
    narrow = classes.to(torch.uint8).t().contiguous().numpy()  # (K, N): bytes sort by counting
    order = torch.from_numpy(narrow.argsort(1, kind="stable")).flatten()
    ends = torch.bincount(places.flatten(), minlength=rows).cumsum(0)
    return F.embedding_bag(order, grad, F.pad(ends[:-1], (1, 0)), mode="sum")


def latent_log_probs(logits: Tensor, categoricals: int, unimix: float) -> Tensor:
    """Log-probabilities (..., K, C) from flat logits (..., K*C), mixed with the uniform."""
    logits = logits.unflatten(-1, (categoricals, -1))  # (..., K, C)
    if not unimix:
        return logits.log_softmax(-1)
    return ((1 - unimix) * logits.softmax(-1) + unimix / logits.shape[-1]).log()


def sample_classes(probs: Tensor, uniform: Tensor | None) -> Tensor:
    """Class indices (..., K) of probs (..., K, C), inverted at uniform numbers (..., K) in [0, 1).

    One uniform per categorical instead of C Gumbel draws, no sync, and the same draw for the
    same numbers whatever else is in the batch. Without numbers: the likeliest classes.
    """
    if uniform is None:
        return probs.argmax(-1)
    cumulative = probs.detach().cumsum(-1)  # (..., K, C)
    below = cumulative <= (uniform * cumulative[..., -1]).unsqueeze(-1)
    return below.sum(-1).clamp_(max=probs.shape[-1] - 1)


def latent_kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) in nats (...), summed over all K categoricals, from (..., K, C) each."""
    return (log_p.exp() * (log_p - log_q)).sum((-2, -1))


def balanced_kl(posterior: Tensor, prior: Tensor, free_nats: float) -> tuple[Tensor, Tensor]:
    """Dynamics and representation terms (...) of two log-probabilities (..., K, C).

    The first trains the prior towards a fixed posterior, the second the posterior towards a
    fixed prior; each is clipped from below at `free_nats` *after* the sum over categoricals,
    so that a latent state within the free nats gets no gradient.
    """
    dynamics = latent_kl(posterior.detach(), prior).clamp(min=free_nats)
    representation = latent_kl(posterior, prior.detach()).clamp(min=free_nats)
    return dynamics, representation


class LatentLinear(nn.Module):
    """A linear layer that reads a latent state given as class indices: a sum of K rows."""

    def __init__(self, categoricals: int, classes: int, features: int) -> None:
        super().__init__()
        dense = initialise(nn.Linear(categoricals * classes, features, bias=False))
        self.weight = nn.Parameter(dense.weight.detach().t().contiguous())  # (K*C, D)

    def forward(self, classes: Tensor, probs: Tensor | None = None) -> Tensor:
        """Features (..., D) of class indices (..., K), straight through to probs (..., K, C)."""
        if probs is None:
            return class_rows(classes, self.weight)
        return straight_through_rows(classes, probs, self.weight)


@dataclass(frozen=True)
class LatentState:
    """What a policy carries from step to step where a world model says what the agents know."""

    h: Tensor
    """(E, A, D) deterministic states."""
    z: Tensor
    """(E, A, K) class indices of the stochastic ones."""
    action: Tensor
    """(E, A) taken last."""

    @classmethod
    def zeros(cls, num_envs: int, agents: int, deter: int, latents: int, device: str) -> Self:
        """Give what copies carry that stand on a first step, where all of it is forgotten."""
        h = torch.zeros(num_envs, agents, deter, device=device)
        z = torch.zeros(num_envs, agents, latents, dtype=torch.int64, device=device)
        return cls(h, z, torch.zeros_like(z[..., 0]))

    def on(self, device: str) -> Self:
        """The same on a device: a run may go on elsewhere than where it was saved."""
        return type(self)(*(part.to(device) for part in vars(self).values()))
