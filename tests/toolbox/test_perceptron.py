"""The perceptron is its formula."""

from __future__ import annotations

import torch

from marlbench.toolbox.perceptron import Perceptron


def test_it_is_two_affine_maps_with_a_relu_between() -> None:
    torch.manual_seed(0)
    layers = Perceptron(3, 5, 2).double()
    layers.requires_grad_(False)
    first, last = layers.first, layers.last
    for x in torch.randn(4, 2, 3, dtype=torch.float64).reshape(-1, 3):
        hidden = [max(0.0, float(w @ x + b)) for w, b in zip(first.weight, first.bias, strict=True)]
        expected = last.weight @ torch.tensor(hidden, dtype=torch.float64) + last.bias
        # float64: sums of five numbers near 1
        torch.testing.assert_close(layers(x[None])[0], expected, rtol=1e-12, atol=1e-12)


def test_leading_axes_are_kept() -> None:
    assert Perceptron(3, 5, 2)(torch.zeros(4, 6, 3)).shape == (4, 6, 2)
