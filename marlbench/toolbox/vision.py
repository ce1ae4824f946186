"""Convolutions for image observations: a trunk that reads them, its mirror that draws them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ImageDecoder", "ImageEncoder"]

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
    reads images begins with this trunk, so that none has better eyes than another [ours].
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
