"""A random generator in a checkpoint that may be read on another device."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["SavedGenerator", "restore_generator", "saved_generator"]

SavedGenerator = tuple[str, Tensor]
"""The device's type, `cpu` or `cuda`, and the generator's state there."""


def saved_generator(generator: torch.Generator) -> SavedGenerator:
    """Give what `restore_generator` takes."""
    return generator.device.type, generator.get_state()


def restore_generator(generator: torch.Generator, saved: SavedGenerator, seed: int) -> None:
    """Go on with the same draws; on another device, whose states differ, with new ones.

    These are decided by the run's seed and by where the draws stood.
    """
    device, state = saved
    if device == generator.device.type:
        generator.set_state(state.cpu())
    else:
        generator.manual_seed(hash((seed, state.numel(), int(state.sum()))))
