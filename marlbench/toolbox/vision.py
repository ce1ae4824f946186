"""Convolutions for image observations: a trunk that reads them, its mirror that draws them."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.toolbox.networks import NormSiLU

__all__ = ["CellDecoder", "CellEncoder", "ImageDecoder", "ImageEncoder"]

CHANNELS = (32, 64, 128)
KERNEL, STRIDE = 4, 2


def output_size(size: int) -> int:
    """Side of the last feature map of an image of this side, 3 for 44; below 1: too small.

    >>> [output_size(side) for side in (22, 44, 88)]
    [1, 3, 9]
    """
    for _ in CHANNELS:
        size = (size - KERNEL) // STRIDE + 1
    return size


class ImageEncoder(nn.Module):
    """Three convolutions, kernel 4, stride 2, 32-64-128 channels, ReLU: 44 x 44 gives 1152.

    The sizes are DreamerV3's family for images of 44 x 44; every learner of the project that
    reads images, DMAWM apart, begins with this trunk [ours].
    """

    features: int
    """Length of the vector that an image becomes."""

    def __init__(self, obs_shape: tuple[int, ...]) -> None:
        """Build for images (height, width, channels); ValueError if they are too small."""
        super().__init__()
        if len(obs_shape) != 3 or min(map(output_size, obs_shape[:2])) < 1:
            raise ValueError(f"images of shape {obs_shape}: want (height, width, channels) >= 22")
        height, width, channels = obs_shape
        widths = (channels, *CHANNELS)
        layers: list[nn.Module] = []
        for inside, outside in zip(widths, CHANNELS, strict=False):
            layers += [nn.Conv2d(inside, outside, KERNEL, STRIDE), nn.ReLU(inplace=True)]
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        self.features = CHANNELS[-1] * output_size(height) * output_size(width)

    def forward(self, images: Tensor) -> Tensor:
        """Give features (..., D) of images (..., H, W, C), uint8 from 0 to 255."""
        assert images.dtype == torch.uint8, f"images are uint8, not {images.dtype}"
        pixels = images.flatten(end_dim=-4).permute(0, 3, 1, 2).float() / 255  # (N, C, H, W)
        features = self.convolutions(pixels)  # (N, D)
        return features.view(*images.shape[:-3], self.features)  # (..., D)


class ImageDecoder(nn.Module):
    """The trunk's mirror: transposed convolutions from features to an image [ours].

    A kernel is 4, or 5 where the trunk's division left a remainder, so that sizes close exactly:
    3, 9, 21, 44.
    """

    def __init__(self, obs_shape: tuple[int, ...]) -> None:
        """Build for images (height, width, channels) that `ImageEncoder` can read."""
        super().__init__()
        height, width, channels = obs_shape
        sizes = [(height, width)]
        for _ in CHANNELS:
            high, wide = sizes[-1]
            sizes.append(((high - KERNEL) // STRIDE + 1, (wide - KERNEL) // STRIDE + 1))
        self.smallest = (CHANNELS[-1], *sizes[-1])
        widths = (channels, *CHANNELS)
        layers: list[nn.Module] = []
        for k in reversed(range(len(CHANNELS))):
            high, wide = sizes[k]
            kernel = (KERNEL + (high - KERNEL) % STRIDE, KERNEL + (wide - KERNEL) % STRIDE)
            layers += [nn.ConvTranspose2d(widths[k + 1], widths[k], kernel, STRIDE), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers[:-1])

    def forward(self, features: Tensor) -> Tensor:
        """Give images (..., H, W, C), pixels around [0, 1], of an encoder's features (..., D)."""
        maps = features.flatten(end_dim=-2).unflatten(-1, self.smallest)  # (N, C, h, w)
        images = self.convolutions(maps).permute(0, 2, 3, 1)  # (N, H, W, C)
        return images.view(*features.shape[:-1], *images.shape[1:])


CELL_CHANNELS = (16, 32)
CELL = STRIDE ** len(CELL_CHANNELS)
"""Pixels along what one vector of `CellEncoder` tells of."""


class CellEncoder(nn.Module):
    """Two convolutions, kernel 4, stride 2, padded, normalised: a vector for every 4 x 4 pixels.

    For world models, which must tell small things apart before any reward points at them. Of the
    pictures of `skirmish/gather44` a linear map of its untrained features misses 0.4 of 183
    squared errors, of `ImageEncoder`'s 12.3 (8 000 pictures, 1 000 kept apart) [ours].
    """

    features: int
    """Length of the vector that an image becomes: 44 x 44 gives 11 x 11 x 32 = 3872."""

    def __init__(self, obs_shape: tuple[int, ...]) -> None:
        """Build for images (height, width, channels); ValueError if they are none."""
        super().__init__()
        high, wide, channels = cells(obs_shape)
        self.margin = (0, wide * CELL - obs_shape[1], 0, high * CELL - obs_shape[0])
        layers: list[nn.Module] = []
        for inside, outside in pairwise((channels, *CELL_CHANNELS)):
            layers += [nn.Conv2d(inside, outside, KERNEL, STRIDE, 1, bias=False), Channels(outside)]
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        self.features = high * wide * CELL_CHANNELS[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Give features (..., D) of images (..., H, W, C), floats around 0."""
        pixels = images.flatten(end_dim=-4).permute(0, 3, 1, 2)  # (N, C, H, W)
        features = self.convolutions(F.pad(pixels, self.margin))  # (N, D)
        return features.view(*images.shape[:-3], self.features)  # (..., D)


class CellDecoder(nn.Module):
    """The mirror of `CellEncoder`: transposed convolutions from features to an image [ours]."""

    def __init__(self, obs_shape: tuple[int, ...]) -> None:
        """Build for images (height, width, channels)."""
        super().__init__()
        high, wide, channels = cells(obs_shape)
        self.smallest = (CELL_CHANNELS[-1], high, wide)
        self.size = obs_shape[:2]
        inner, outer = CELL_CHANNELS[::-1]
        self.convolutions = nn.Sequential(
            nn.ConvTranspose2d(inner, outer, KERNEL, STRIDE, 1),
            nn.SiLU(),
            nn.ConvTranspose2d(outer, channels, KERNEL, STRIDE, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Give images (..., H, W, C), floats around 0, of a `CellEncoder`'s features (..., D)."""
        maps = features.flatten(end_dim=-2).unflatten(-1, self.smallest)  # (N, C, h, w)
        high, wide = self.size
        images = self.convolutions(maps)[..., :high, :wide].permute(0, 2, 3, 1)  # (N, H, W, C)
        return images.reshape(*features.shape[:-1], *images.shape[1:])


class Channels(NormSiLU):
    """LayerNorm over the channels at each place, then SiLU."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, h, w)."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def cells(obs_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Rows and columns of cells that cover an image, and its channels.

    >>> cells((44, 41, 3))
    (11, 11, 3)
    """
    if len(obs_shape) != 3:
        raise ValueError(f"images of shape {obs_shape}: want (height, width, channels)")
    height, width, channels = obs_shape
    return -(-height // CELL), -(-width // CELL), channels
