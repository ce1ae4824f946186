"""What the leaf promises, against its definition."""

from __future__ import annotations

import pytest
import torch

from marlbench.toolbox.orthogonal import NormLinear, orthogonal_linear


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (5, 5)])
def test_weights_are_orthogonal_and_of_the_gains_length(shape: tuple[int, int]) -> None:
    layer = orthogonal_linear(*shape, gain=0.5)
    weight = layer.weight.detach()
    square = weight @ weight.T if shape[0] >= shape[1] else weight.T @ weight
    expected = 0.25 * torch.eye(min(shape))
    torch.testing.assert_close(square, expected, rtol=0, atol=1e-6)  # QR in float32
    assert not layer.bias.any()


def test_folding_changes_neither_the_output_nor_the_gradients() -> None:
    torch.manual_seed(0)
    layer, x = NormLinear(6, 4, gain=1.0).double(), torch.randn(5, 6, dtype=torch.double)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    folded, plain = layer(x), layer.linear(layer.norm(x))
    torch.testing.assert_close(folded, plain)  # float64: its default tolerance of 1e-7
    weights = torch.randn(5, 4, dtype=torch.double)
    ours = torch.autograd.grad((folded * weights).sum(), list(layer.parameters()))
    theirs = torch.autograd.grad((plain * weights).sum(), list(layer.parameters()))
    torch.testing.assert_close(ours, theirs)
