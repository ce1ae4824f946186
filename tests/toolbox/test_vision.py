"""The trunk takes images as environments give them and refuses what it cannot read."""

from __future__ import annotations

import pytest
import torch

from marlbench.toolbox.vision import CellDecoder, CellEncoder, ImageDecoder, ImageEncoder


@pytest.mark.parametrize(
    ("shape", "features"),
    [
        ((44, 44, 3), 1152),
        ((48, 60, 1), 128 * 4 * 5),
        ((88, 88, 3), 10368),
        ((5, 7, 4), 128),
        ((13, 130, 2), 128 * 1 * 6),
        ((512, 512, 3), 128 * 6 * 6),
    ],
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


@pytest.mark.parametrize("shape", [(44, 44), (12,)])
def test_flat_observations_are_refused(shape: tuple[int, ...]) -> None:
    for module in (ImageEncoder, ImageDecoder):
        with pytest.raises(ValueError, match="height, width, channels"):
            module(shape)


def test_no_pixel_of_a_small_image_is_lost() -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder((5, 7, 1))
    for row, column in ((0, 0), (4, 6), (2, 3)):
        images = torch.zeros(2, 5, 7, 1, dtype=torch.uint8)
        images[1, row, column] = 255
        black, dotted = encoder(images)
        assert not torch.equal(black, dotted)


SHAPES = [
    (44, 44, 3),
    (24, 24, 3),
    (48, 61, 1),
    (88, 88, 3),
    (5, 7, 4),
    (13, 130, 2),
    (300, 200, 3),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mirror_closes_on_the_size_that_was_read(shape: tuple[int, ...]) -> None:
    features = torch.randn(2, 3, ImageEncoder(shape).features)
    assert ImageDecoder(shape)(features).shape == (2, 3, *shape)


def test_trunk_and_mirror_learn_to_draw_what_they_saw() -> None:
    torch.manual_seed(0)
    images = torch.zeros(4, 24, 24, 3, dtype=torch.uint8)
    for k in range(4):
        images[k, 6 * k : 6 * k + 6, :, k % 3] = 255
    network = torch.nn.Sequential(ImageEncoder((24, 24, 3)), ImageDecoder((24, 24, 3)))
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(80):
        error = (network(images) - images / 255).square().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    assert error < 0.02  # drawing nothing costs 1/12 of all pixels, 0.083


@pytest.mark.parametrize(
    ("shape", "features"),
    [
        ((44, 44, 3), 3872),
        ((4, 6, 1), 64),
        ((45, 87, 3), 12 * 22 * 32),
        ((300, 20, 3), 19 * 2 * 32),
    ],
)
def test_every_four_pixels_have_a_vector_and_the_mirror_closes(
    shape: tuple[int, ...], features: int
) -> None:
    encoder = CellEncoder(shape)
    assert encoder.features == features
    code = encoder(torch.randn(2, 5, *shape))
    assert code.shape == (2, 5, features)
    assert CellDecoder(shape)(code).shape == (2, 5, *shape)


def test_a_cell_is_read_alike_wherever_it_stands_and_tells_of_what_is_near() -> None:
    torch.manual_seed(0)
    encoder = CellEncoder((24, 24, 3))
    mark, image = torch.randn(4, 4, 3), torch.zeros(2, 24, 24, 3)
    image[0, 8:12, 4:8], image[1, 12:16, 16:20] = mark, mark
    code = encoder(image).view(2, 32, 6, 6)  # channels, rows, columns of cells
    # the same float32 products; another place in a vector register may sum in another order
    torch.testing.assert_close(code[0, :, 2, 1], code[1, :, 3, 4], rtol=1e-4, atol=1e-5)
    bare = encoder(torch.zeros(1, 24, 24, 3)).view(32, 6, 6)
    changed = (code[0] - bare).abs().amax(0) > 1e-6  # (6, 6)
    assert changed[2, 1]
    changed[1:4, 0:3] = False
    assert not changed.any(), "two convolutions of kernel 4 and stride 2 reach one cell further"


def test_flat_observations_have_no_cells() -> None:
    for module in (CellEncoder, CellDecoder):
        with pytest.raises(ValueError, match="height, width, channels"):
            module((12,))
