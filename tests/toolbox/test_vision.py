"""The trunk takes images as environments give them and refuses what it cannot read."""

from __future__ import annotations

import pytest
import torch

from marlbench.toolbox.vision import ImageEncoder


@pytest.mark.parametrize(
    ("shape", "features"), [((44, 44, 3), 1152), ((48, 60, 1), 128 * 4 * 5), ((88, 88, 3), 10368)]
)
def test_features_have_the_announced_size(shape: tuple[int, ...], features: int) -> None:
    encoder = ImageEncoder(shape)
    assert encoder.features == features
    images = torch.zeros(2, 5, *shape, dtype=torch.uint8)
    assert encoder(images).shape == (2, 5, features)


def test_each_image_is_read_alone_and_scaled_once() -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder((44, 44, 3))
    images = torch.randint(0, 256, (3, 44, 44, 3), dtype=torch.uint8)
    alone = encoder.convolutions((images[1].double() / 255).float().permute(2, 0, 1)[None])[0]
    # the same float32 sums in another blocking: a few units in the last place of values near 1
    torch.testing.assert_close(encoder(images)[1], alone, rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_layer() -> None:
    encoder = ImageEncoder((44, 44, 3))
    encoder(torch.full((1, 44, 44, 3), 128, dtype=torch.uint8)).sum().backward()
    for parameter in encoder.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(21, 44, 3), (44, 21, 3), (44, 44), (12,)])
def test_too_small_or_flat_observations_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="height, width, channels"):
        ImageEncoder(shape)
