"""Linear, ReLU, Linear: the perceptron that hypernetworks and small decoders are made of."""

from __future__ import annotations

from torch import Tensor, nn

from marlbench.toolbox.linear import linear

__all__ = ["Perceptron"]


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
