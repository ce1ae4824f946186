"""What MAPPO's actor and critic are made of: a perceptron, a GRU and a head.

[code: onpolicy/algorithms/r_mappo/algorithm/r_actor_critic.py@de66d7a]
"""

from torch import Tensor, nn

from marlbench.toolbox.orthogonal import RELU_GAIN, NormLinear, orthogonal_linear
from marlbench.toolbox.vision import ImageEncoder
from marlbench_mappo.masked_gru import MaskedGRU


def first_layer(shape: tuple[int, ...], width: int) -> nn.Module:
    """What turns an input (..., *shape) into features (..., width), linearly at the end.

    Vectors (I,) are normalised; images (height, width, channels) pass the shared trunk; of
    several images (A, height, width, channels) each is first projected to `width` features.
    """
    if len(shape) == 1:
        return NormLinear(shape[0], width, RELU_GAIN)
    encoder = ImageEncoder(shape[-3:])
    layers = [encoder, orthogonal_linear(encoder.features, width, RELU_GAIN)]
    if len(shape) == 4:
        together = orthogonal_linear(shape[0] * width, width, RELU_GAIN)
        layers += [nn.ReLU(), nn.Flatten(-2), together]
    return nn.Sequential(*layers)


def hidden_layer(width: int) -> list[nn.Module]:
    """Linear, ReLU, LayerNorm."""
    return [orthogonal_linear(width, width, RELU_GAIN), nn.ReLU(), nn.LayerNorm(width)]


class Network(nn.Module):
    """LayerNorm, 1 + `extra_layers` hidden layers, GRU and LayerNorm, linear head."""

    def __init__(
        self, shape: tuple[int, ...], outputs: int, *, gain: float, hidden: int, extra_layers: int
    ) -> None:
        super().__init__()
        layers = [first_layer(shape, hidden), nn.ReLU(), nn.LayerNorm(hidden)]
        for _ in range(extra_layers):
            layers += hidden_layer(hidden)
        self.trunk = nn.Sequential(*layers)
        self.head = orthogonal_linear(hidden, outputs, gain)

    def forward(self, x: Tensor, keep: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (T, N, outputs) and states (T, N, 0): what came before does not matter."""
        del keep
        return self.head(self.trunk(x)), h.expand(len(x), *h.shape)

    @property
    def state_size(self) -> int:
        """Length of the state that is passed on."""
        return 0


class RecurrentNetwork(Network):
    """The same with a GRU and a LayerNorm before the head."""

    def __init__(
        self, shape: tuple[int, ...], outputs: int, *, gain: float, hidden: int, extra_layers: int
    ) -> None:
        super().__init__(shape, outputs, gain=gain, hidden=hidden, extra_layers=extra_layers)
        self.gru = MaskedGRU(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor, keep: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (T, N, outputs) and states (T, N, D) after each step.

        From inputs (T, N, *shape), states h (N, D) before the first step, and keep (T, N) bool,
        False where an episode begins.
        """
        states = self.gru(self.trunk(x), h, keep.to(h.dtype))  # (T, N, D)
        return self.head(self.norm(states)), states

    @property
    def state_size(self) -> int:
        """Length of the state that is passed on."""
        return self.head.in_features
