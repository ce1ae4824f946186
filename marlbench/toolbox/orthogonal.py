"""Orthogonal starting weights, as on-policy actors and critics use them.

Saxe et al. 2014, arXiv:1312.6120v3: rows (or columns) of length `gain`, at right angles.
"""

import math

from torch import nn

from marlbench.toolbox.linear import Linear

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
