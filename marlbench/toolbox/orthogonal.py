"""Orthogonal starting weights, as on-policy actors and critics use them.

Saxe et al. 2014, arXiv:1312.6120v3: rows (or columns) of length `gain`, at right angles.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.toolbox.linear import Linear, linear

__all__ = ["RELU_GAIN", "NormLinear", "orthogonal_linear"]

RELU_GAIN = math.sqrt(2)
"""Keeps the scale of activations through a ReLU."""


def orthogonal_linear(inputs: int, outputs: int, gain: float, bias: bool = True) -> nn.Linear:
    """Linear map with orthogonal weights times `gain` and, if any, zero biases.

    >>> import torch
    >>> weight = orthogonal_linear(8, 3, gain=2.0).weight
    >>> (weight @ weight.T).allclose(4 * torch.eye(3), atol=1e-5)  # float32 QR
    True
    """
    layer = Linear(inputs, outputs, bias=bias)
    nn.init.orthogonal_(layer.weight, gain)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class NormLinear(nn.Module):
    """`linear(norm(x))` of data x, with orthogonal weights: (..., inputs) to (..., outputs).

    The gain g and shift s of the norm move into the map: `W (g n + s) + c = (W g) n + (W s + c)`
    for the standardised n, so that the gradient of W g is all that a backward pass computes.
    """

    def __init__(self, inputs: int, outputs: int, gain: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.linear = orthogonal_linear(inputs, outputs, gain)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        norm, weight = self.norm, self.linear.weight
        standard = F.layer_norm(x, norm.normalized_shape, eps=norm.eps)
        return linear(standard, weight * norm.weight, self.linear.bias + weight @ norm.bias)
