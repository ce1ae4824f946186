"""The authors' CNN for pictures and its mirror [code: codes/networks.py@4a25924].

Four convolutions, kernel 4, stride 2, padding 1, take 44 x 44 to 2 x 2 places; LayerNorm over the
channels of each place and SiLU follow every one but the last that draws.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.toolbox.networks import NormSiLU, initialise
from marlbench.toolbox.vision import Channels

__all__ = ["DeepDecoder", "DeepEncoder"]

WIDTHS = (64, 96, 128, 128)


def sides(side: int) -> list[int]:
    """Sides of the maps of an image, itself first, with a margin if it is too small.

    >>> sides(44)
    [44, 22, 11, 5, 2]
    """
    found = [max(side, 2 ** len(WIDTHS))]
    for _ in WIDTHS:
        found.append(found[-1] // 2)
    return found


class DeepEncoder(nn.Module):
    """Images to a vector: 44 x 44 gives 2 x 2 x 128 = 512."""

    def __init__(self, obs_shape: tuple[int, ...]) -> None:
        """Build for images (height, width, channels)."""
        super().__init__()
        height, width, channels = obs_shape
        high, wide = sides(height), sides(width)
        self.margin = (0, wide[0] - width, 0, high[0] - height)
        self.features = WIDTHS[-1] * high[-1] * wide[-1]
        layers: list[nn.Module] = []
        for inside, outside in pairwise((channels, *WIDTHS)):
            layers += [nn.Conv2d(inside, outside, 4, 2, 1), Channels(outside)]
        self.convolutions = nn.Sequential(*layers, nn.Flatten())

    def forward(self, images: Tensor) -> Tensor:
        """Give features (..., D) of images (..., H, W, C), floats around 0."""
        pixels = images.flatten(end_dim=-4).permute(0, 3, 1, 2)  # (N, C, H, W)
        if any(self.margin):
            pixels = F.pad(pixels, self.margin)
        return self.convolutions(pixels).view(*images.shape[:-3], self.features)


class DeepDecoder(nn.Module):
    """Features to an image: the encoder's mirror, a sigmoid last."""

    def __init__(self, obs_shape: tuple[int, ...], inputs: int) -> None:
        """Build for images (height, width, channels) and so many features."""
        super().__init__()
        height, width, channels = obs_shape
        high, wide = sides(height), sides(width)
        self.size = (height, width)
        self.smallest = (WIDTHS[-1], high[-1], wide[-1])
        features = WIDTHS[-1] * high[-1] * wide[-1]
        self.spread = nn.Sequential(
            initialise(nn.Linear(inputs, features, bias=False)), NormSiLU(features)
        )
        layers: list[nn.Module] = []
        widths = (channels, *WIDTHS)
        for k in reversed(range(len(WIDTHS))):
            rest = (high[k] % 2, wide[k] % 2)  # what the halving lost
            inside, outside = widths[k + 1], widths[k]
            layers.append(nn.ConvTranspose2d(inside, outside, 4, 2, 1, output_padding=rest))
            layers += [Channels(outside)] if k else []
        self.convolutions = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Give images (..., H, W, C), floats within half of 0, of features (..., D)."""
        maps = self.spread(features).flatten(end_dim=-2).unflatten(-1, self.smallest)
        high, wide = self.size
        drawn = self.convolutions(maps)[..., :high, :wide]
        images = F.sigmoid(drawn).permute(0, 2, 3, 1) - 0.5  # (N, H, W, C)
        return images.reshape(*features.shape[:-1], *images.shape[1:])
