"""Strips: what was seen above what was decoded, steps to the right, agents downwards."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from marlbench.toolbox.pictures import COLUMNS, GAP, PAPER, coloured, strip


def test_two_steps_of_two_agents_by_hand() -> None:
    pixel = torch.ones(1, 1, 3, dtype=torch.uint8)  # (H, W, C)
    seen = torch.tensor([[10, 20], [30, 40]], dtype=torch.uint8)[..., None, None, None]  # (T, A)
    decoded = torch.tensor([[0.2, -1.0], [0.5, 7.0]])[..., None, None, None]
    picture = strip(seen * pixel, decoded * pixel, least=1)
    gap = [PAPER] * GAP
    # 0.2 is a shade of 51, 0.5 of 127.5, which goes to the even one; beyond [0, 1] black and white
    rows = [[10, *gap, 30], [51, *gap, 128], *[[PAPER] * (GAP + 2)] * GAP]
    rows += [[20, *gap, 40], [0, *gap, 255]]
    assert picture.dtype == np.uint8
    assert picture[..., 0].tolist() == rows
    assert (picture == picture[..., :1]).all()  # grey stays grey


def test_images_are_upright_and_small_ones_enlarged_by_whole_factors() -> None:
    seen = torch.arange(2 * 4 * 3, dtype=torch.uint8).view(1, 1, 2, 4, 3)  # wider than high
    picture = strip(seen, 1 - seen / 255, least=7)
    assert picture.shape == (2 * 2 * 3, 4 * 3, 3)
    assert np.array_equal(picture[:6:3, ::3], seen[0, 0].numpy())
    assert np.array_equal(picture[2:6:3, 2::3], seen[0, 0].numpy())
    assert np.array_equal(picture[6::3, ::3], 255 - seen[0, 0].numpy())


@pytest.mark.parametrize(("side", "scale"), [(22, 4), (44, 2), (64, 1), (88, 1), (100, 1)])
def test_a_strip_is_as_large_as_its_newest_steps(side: int, scale: int) -> None:
    seen = torch.arange(15, dtype=torch.uint8).view(15, 1, 1, 1, 1).expand(15, 3, side, side, 3)
    picture = strip(seen, seen / 255)
    tile = scale * side
    height, width = 3 * (2 * tile + GAP) - GAP, COLUMNS * (tile + GAP) - GAP
    assert picture.shape == (height, width, 3)
    assert picture[0, :: tile + GAP, 0].tolist() == list(range(15 - COLUMNS, 15))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_channels_than_colours_are_their_mean_in_grey(channels: int) -> None:
    images = torch.randint(256, (2, 1, 5, 5, channels), dtype=torch.uint8).numpy()
    grey = coloured(images)
    assert grey.shape == (2, 1, 5, 5, 3)
    assert np.array_equal(grey[..., 2], images.mean(-1).round())
    assert strip(torch.from_numpy(images), torch.zeros(images.shape)).shape[-1] == 3


def test_colours_stay_colours() -> None:
    images = torch.randint(256, (2, 5, 5, 3), dtype=torch.uint8).numpy()
    assert np.array_equal(coloured(images), images)
    index = np.full_like(images[..., :1], 255)  # what no eye reads, such as an agent's index
    assert np.array_equal(coloured(np.concatenate([images, index], -1)), images)


def test_what_does_not_match_is_refused() -> None:
    with pytest.raises(AssertionError, match="differ"):
        strip(torch.zeros(2, 1, 4, 4, 3, dtype=torch.uint8), torch.zeros(1, 1, 4, 4, 3))
