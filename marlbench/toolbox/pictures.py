"""Pictures for eyes, not for learning: what was seen above what a world model decodes of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["COLUMNS", "strip"]

COLUMNS = 12
"""Steps that a strip shows at most."""
LEAST = 88
"""Pixels to which smaller images are enlarged, as far as whole factors go."""
GAP, PAPER = 2, 255
"""Pixels between pairs, and their shade."""


def strip(seen: Tensor, decoded: Tensor, least: int = LEAST) -> NDArray[np.uint8]:
    """Give one picture (height, width, 3) of the newest `COLUMNS` steps of all agents.

    From images seen (T, A, H, W, C), uint8, and decoded (T, A, H, W, C), pixels around [0, 1].
    Columns are steps; for each agent a row of what it saw touches the row of what was decoded.
    """
    assert seen.shape == decoded.shape, f"seen {seen.shape} and decoded {decoded.shape} differ"
    bytes_decoded = decoded[-COLUMNS:].clamp(0, 1).mul(255).round().byte()
    rows = [coloured(images.cpu().numpy()) for images in (seen[-COLUMNS:], bytes_decoded)]
    pairs = np.concatenate(rows, axis=2)  # (T, A, 2 H, W, 3)
    scale = max(1, least // min(seen.shape[2:4]))
    pairs = pairs.repeat(scale, 2).repeat(scale, 3)
    edge = ((0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0))
    framed = np.pad(pairs, edge, constant_values=PAPER)  # (T, A, h, w, 3)
    steps, agents, height, width, _ = framed.shape
    sheet = framed.transpose(1, 2, 0, 3, 4).reshape(agents * height, steps * width, 3)
    return sheet[:-GAP, :-GAP]


def coloured(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give images (..., H, W, 3) of any number of channels: their mean as grey, but for colours.

    Of four channels the first three are colours.

    >>> coloured(np.array([[[10, 30]]], np.uint8))
    array([[[20, 20, 20]]], dtype=uint8)
    """
    if images.shape[-1] in (3, 4):
        return images[..., :3]
    return images.mean(-1, keepdims=True).round().astype(np.uint8).repeat(3, -1)
