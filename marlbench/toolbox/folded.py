"""A LayerNorm and the linear map after it as one product, for inputs that need no gradient."""

import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.toolbox.linear import linear
from marlbench.toolbox.orthogonal import orthogonal_linear


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
