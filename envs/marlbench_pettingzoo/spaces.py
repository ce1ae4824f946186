"""Observation and action spaces of unequal agents, padded to one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

MASK, CONTENT = "action_mask", "observation"
"""Keys of an observation that is a mapping of what is seen and what may be done."""


class Observations:
    """Observation spaces of A agents: images as they are, all else flat and zero-padded."""

    def __init__(self, each: Sequence[spaces.Space[Any]]) -> None:
        self._each = [content_space(space) for space in each]
        images = {s.shape for s in self._each if is_image(s)}
        if images and (len(images) > 1 or not all(map(is_image, self._each))):
            raise RuntimeError(f"images of unequal agents cannot be padded: {self._each}")
        self.image = bool(images)
        self.dtype = "uint8" if self.image else "float32"
        self.shape: tuple[int, ...] = (max(map(spaces.flatdim, self._each)),)
        if self.image:
            self.shape = self._each[0].shape or ()

    def place(self, agent: int, observation: Any, row: NDArray[Any]) -> None:
        """Write an agent's observation into its row (*O) of zeros."""
        seen = observation[CONTENT] if isinstance(observation, Mapping) else observation
        if self.image:
            row[:] = seen
            return
        flat = spaces.flatten(self._each[agent], seen)
        row[: len(flat)] = flat


class Actions:
    """Discrete action spaces of A agents, with a no-op at the end if agents can leave."""

    def __init__(self, each: Sequence[spaces.Space[Any]], leaving: bool) -> None:
        for space in each:
            if not isinstance(space, spaces.Discrete):
                raise RuntimeError(f"actions must be Discrete, not {space}: wrap the environment")
        discrete = [space for space in each if isinstance(space, spaces.Discrete)]
        self._sizes = [int(space.n) for space in discrete]
        self._starts = [int(space.start) for space in discrete]
        self.count = max(self._sizes) + leaving
        self.noop = self.count - 1 if leaving else None

    def native(self, agent: int, action: int) -> int:
        """Give the environment's own number of an agent's action."""
        return self._starts[agent] + action

    def allow(self, agent: int, mask: Any, row: NDArray[np.bool_]) -> None:
        """Write what a living agent may do into its row (U,) of False."""
        size = self._sizes[agent]
        row[:size] = True if mask is None else np.asarray(mask, np.bool_)


def content_space(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """Give the space of what is seen, without the mask of what may be done."""
    if isinstance(space, spaces.Dict) and CONTENT in space.spaces:
        return space[CONTENT]
    return space


def is_image(space: spaces.Space[Any]) -> bool:
    """Whether observations are images (height, width, channels) of bytes."""
    return space.dtype == np.uint8 and len(space.shape or ()) == 3


def mask_of(observation: Any, info: Mapping[str, Any]) -> Any:
    """Give an agent's action mask from where PettingZoo's environments put it, or None."""
    inside = observation.get(MASK) if isinstance(observation, Mapping) else None
    return info.get(MASK) if inside is None else inside
