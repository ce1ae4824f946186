"""Layers of world models: normalised perceptrons and a normalised GRU cell.

The shapes follow Hafner et al. 2023, arXiv:2301.04104v2: LayerNorm (eps 1e-3) and SiLU,
truncated-normal weights scaled by the mean of fan-in and fan-out.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-3
TRUNCATED_STD = 0.87962566  # of a standard normal cut at two standard deviations


def initialise(layer: nn.Linear, scale: float = 1.0) -> nn.Linear:
    """Draw truncated-normal weights of variance `scale / mean(fan_in, fan_out)`; zero biases."""
    if scale == 0:
        nn.init.zeros_(layer.weight)
    else:
        std = math.sqrt(scale * 2 / (layer.in_features + layer.out_features)) / TRUNCATED_STD
        nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class NormSiLU(nn.Module):
    """LayerNorm, then SiLU: what follows every hidden linear map."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        return F.silu(self.norm(x))


def hidden_layers(inputs: int, hidden: int, layers: int) -> list[nn.Module]:
    """`layers` times Linear, LayerNorm, SiLU."""
    modules: list[nn.Module] = []
    for features in ([inputs] + [hidden] * layers)[:layers]:
        modules += [initialise(nn.Linear(features, hidden, bias=False)), NormSiLU(hidden)]
    return modules


def mlp(inputs: int, hidden: int, outputs: int, layers: int, out_scale: float = 1.0) -> nn.Module:
    """Hidden layers and a linear output, whose weights start at `out_scale` (0: predicts 0)."""
    output = initialise(nn.Linear(hidden if layers else inputs, outputs), out_scale)
    return nn.Sequential(*hidden_layers(inputs, hidden, layers), output)


class NormGRU(nn.Module):
    """GRU cell with LayerNorm over all three pre-activations.

    `reset, candidate, update = LN(W_x x + W_h h)`; `h' = u tanh(r c) + (1 - u) h` with
    `u = sigmoid(update)`: the public DreamerV3 cell without its update gate's offset of -1.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        both = initialise(nn.Linear(inputs + hidden, 3 * hidden, bias=False)).weight
        self.weight_x = nn.Parameter(both[:, :inputs].detach().clone())  # (3D, inputs)
        self.weight_h = nn.Parameter(both[:, inputs:].detach().clone())  # (3D, D)
        self.norm = nn.LayerNorm(3 * hidden, eps=NORM_EPS)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Next state (..., D) from input (..., inputs) and state (..., D)."""
        return self.gates(F.linear(x, self.weight_x) + F.linear(h, self.weight_h), h)

    def gates(self, preactivation: Tensor, h: Tensor) -> Tensor:
        """Next state (..., D) from the summed products (..., 3D), for callers that merge them."""
        reset, candidate, update = self.norm(preactivation).chunk(3, -1)  # (..., D) each
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        return torch.lerp(h, candidate, torch.sigmoid(update))
