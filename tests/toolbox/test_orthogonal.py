"""What the leaf promises, against its definition."""

import pytest
import torch

from marlbench.toolbox.orthogonal import orthogonal_linear


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (5, 5)])
def test_weights_are_orthogonal_and_of_the_gains_length(shape: tuple[int, int]) -> None:
    layer = orthogonal_linear(*shape, gain=0.5)
    weight = layer.weight.detach()
    square = weight @ weight.T if shape[0] >= shape[1] else weight.T @ weight
    expected = 0.25 * torch.eye(min(shape))
    torch.testing.assert_close(square, expected, rtol=0, atol=1e-6)  # QR in float32
    assert not layer.bias.any()
