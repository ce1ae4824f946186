"""Matrix products on the CPU by oneDNN where that is faster than the BLAS torch was built with.

PyTorch's wheels multiply float32 matrices by MKL. oneDNN, which the same wheels carry, takes up to
half of its time for large products, at equal results; but on two of three processors measured
(docs/benchmarks) more for the weights' gradients, whose matrices it copies first. With few rows the
two are level, and what the way here costs in Python was a tenth of MAMBA's model update.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Linear", "Perceptron", "linear", "product", "worthwhile"]

Activation = Literal["none", "relu"]

WORTHWHILE = 500_000
"""Multiplications below which the call's own cost outweighs the faster product (measured)."""
FEWEST_ROWS = 1000
"""Rows of x below which it does so for any number of multiplications (measured)."""
ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def worthwhile(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN is here and faster for x (..., I) times the weight's transpose (I, D)."""
    here = ONEDNN and x.is_cpu and x.dtype == torch.float32
    enough = x.numel() >= FEWEST_ROWS * x.shape[-1] and x.numel() * len(weight) >= WORTHWHILE
    return here and enough


def product(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none"
) -> Tensor:
    """Give x W' + b (N, D) of x (N, I), weight (D, I), bias (D,); not recorded for gradients.

    >>> product(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([0.5]))
    tensor([[11.5000]])
    """
    if worthwhile(x, weight):
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "")
    result = functional.linear(x, weight, bias)
    return result.relu_() if activation == "relu" else result


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none"
) -> Tensor:
    """Give x W' + b (..., D) of x (..., I), weight (D, I), bias (D,), with gradients."""
    if not worthwhile(x, weight):
        result = functional.linear(x, weight, bias)
        return result.relu() if activation == "relu" else result
    flat = x.reshape(-1, x.shape[-1])  # (N, I)
    rows = Product.apply(flat, weight, bias, activation)  # type: ignore[no-untyped-call]
    return rows.view(*x.shape[:-1], len(weight))  # (..., D)


class Linear(nn.Linear):
    """The linear map, its products by `linear`."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., I) to (..., D)."""
        return linear(input, self.weight, self.bias)


class Product(torch.autograd.Function):
    """`product` with its gradients, themselves products."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        """Give x W' + b (N, D), or its positive part, of x, W, b and the activation."""
        x, weight, _, activation = arguments
        result = product(*arguments)
        ctx.save_for_backward(x, weight, *([result] if activation == "relu" else []))
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of the weight, and of x and the bias where they want one."""
        x, weight, *positive = ctx.saved_tensors
        for result in positive:
            grad = torch.ops.aten.threshold_backward(grad, result, 0)  # what relu itself does
        to_x = product(grad, weight.t()) if ctx.needs_input_grad[0] else None
        to_bias = grad.sum(0) if ctx.needs_input_grad[2] else None
        return to_x, grad.t() @ x, to_bias, None


class Perceptron(nn.Module):
    """`W_2 relu(W_1 x + b_1) + b_2`, with torch's own draw of the weights."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        """Build for vectors of `inputs` features."""
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.last = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Give vectors (..., D) of vectors (..., I)."""
        hidden = linear(x, self.first.weight, self.first.bias, "relu")
        return linear(hidden, self.last.weight, self.last.bias)
