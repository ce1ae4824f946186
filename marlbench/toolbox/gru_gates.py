"""The pointwise part of a GRU step as one operation, for callers that make the products."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from marlbench.toolbox.packed_gru import cell, cell_gradient

__all__ = ["gru_gates"]


def gru_gates(from_x: Tensor, from_h: Tensor, h: Tensor) -> Tensor:
    """Give the next state (N, D) of products `W x + b`, `U h + c` (N, 3 D) and the state (N, D).

    Rows are ordered reset, update, new: `h' = n + u (h - n)`, `n = tanh(W_n x + r (U_n h))`
    [Cho et al. 2014, arXiv:1406.1078v3, as torch.nn.GRU has it].
    """
    return Gates.apply(from_x, from_h, h)  # type: ignore[no-untyped-call]


class Gates(torch.autograd.Function):
    """The step and, from the gates that it kept, its gradients."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        """Give the next state."""
        from_x, from_h, h = arguments
        r, u, n, shift = cell(from_x, from_h)
        ctx.save_for_backward(h, r, u, n, shift)
        return torch.lerp(n, h, u)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the gradients of both products and of the state."""
        h, r, u, n, shift = ctx.saved_tensors
        to_x, to_h = cell_gradient(grad, h, r, u, n, shift)
        to_products = to_x.clone()
        to_products[:, 2 * h.shape[1] :] *= r
        return to_x, to_products, to_h
