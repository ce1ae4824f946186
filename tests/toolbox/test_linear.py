"""The faster products are the ordinary ones, in values and gradients, at every size."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from marlbench.toolbox.linear import Activation, Perceptron, linear

# rows, inputs, outputs: small ones take torch's own path, large ones oneDNN's where it is there
SIZES = [(1, 3, 2), (5, 64, 192), (1000, 64, 192), (3000, 108, 64), (3000, 64, 11), (9000, 64, 1)]


@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients(
    size: tuple[int, int, int],
    activation: Activation,
    dtype: torch.dtype,
) -> None:
    rows, inputs, outputs = size
    torch.manual_seed(0)
    x = torch.randn(rows, inputs, dtype=dtype, requires_grad=True)
    weight = torch.randn(outputs, inputs, dtype=dtype, requires_grad=True)
    bias = torch.randn(outputs, dtype=dtype, requires_grad=True)
    ours = linear(x, weight, bias, activation)
    theirs = functional.linear(x, weight, bias)
    theirs = theirs.relu() if activation == "relu" else theirs
    weights = torch.randn_like(theirs)
    # sums of `rows` or `inputs` terms near 1 in another order: some roundings of their size
    scale = {torch.float32: 1e-6, torch.float64: 1e-14}[dtype]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=scale * 10 * inputs**0.5)
    mine = torch.autograd.grad(ours, (x, weight, bias), weights)
    reference = torch.autograd.grad(theirs, (x, weight, bias), weights)
    for a, b in zip(mine, reference, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=scale * 10 * max(rows, outputs) ** 0.5)


def test_leading_axes_are_kept_and_inputs_without_gradient_get_none() -> None:
    weight, bias = torch.randn(4, 3, requires_grad=True), torch.randn(4, requires_grad=True)
    x = torch.randn(2, 5, 3)
    y = linear(x, weight, bias)
    assert y.shape == (2, 5, 4)
    y.sum().backward()
    assert x.grad is None
    assert weight.grad is not None


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
