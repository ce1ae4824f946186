"""Matrix products on the CPU by oneDNN where that is faster than the BLAS torch was built with.

PyTorch's wheels multiply float32 matrices by MKL, which takes a slower path on processors of
other makers than Intel: half the speed of oneDNN, which the same wheels carry, at equal results.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["linear", "product"]

WORTHWHILE_ROWS = 128
"""Below this many rows the call's own cost outweighs the faster product (measured)."""
ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Give x W' + b (N, D) of x (N, I), weight (D, I), bias (D,); not recorded for gradients.

    >>> product(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([0.5]))
    tensor([[11.5000]])
    """
    if ONEDNN and x.is_cpu and x.dtype == torch.float32 and len(x) >= WORTHWHILE_ROWS:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return functional.linear(x, weight, bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Give x W' + b (..., D) of x (..., I), weight (D, I), bias (D,), with gradients."""
    rows: Tensor = Product.apply(x.reshape(-1, x.shape[-1]), weight, bias)  # (N, D)
    return rows.view(*x.shape[:-1], len(weight))  # (..., D)


class Product(torch.autograd.Function):
    """`product` with its gradients, themselves products."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Give x W' + b (N, D)."""
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """Give the gradients of x, where it wants one, of the weight and of the bias."""
        x, weight = ctx.saved_tensors
        to_x = product(grad, weight.t()) if ctx.needs_input_grad[0] else None
        return to_x, product(grad.t().contiguous(), x.t()), grad.sum(0)
