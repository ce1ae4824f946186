"""Linear maps of one-hot vectors without the vectors: sums of a matrix's rows, both ways.

A latent state of K categoricals with C classes is K indices; a dense product with its one-hot
vector multiplies by zero K (C - 1) times of K C, and so does the product for its weight's gradient.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from marlbench.toolbox.linear import product

__all__ = ["class_rows", "straight_through_rows"]


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
