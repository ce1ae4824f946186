"""Action spaces of numbers (Box), and which of the two kinds agents act by."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from marlbench.errors import SpecViolation
from marlbench.plugin import ActionKind
from marlbench_pettingzoo.spaces import MASK, Actions, Space

__all__ = ["Numbers", "actions_of"]


class Numbers:
    """Box action spaces of A agents, each in a row and padded to the longest.

    Bounds are the widest of all agents'; what an agent says beyond its own is clipped to them. Who
    has left, or waits for its turn, has no number to say.
    """

    kind: ActionKind = "box"
    noop: int | None = None

    def __init__(self, agents: Mapping[str, spaces.Box], leaving: bool) -> None:
        self._names, self._spaces = list(agents), list(agents.values())
        for name, space in agents.items():
            if not np.issubdtype(space.dtype, np.floating):
                raise SpecViolation(f"{name} acts by whole numbers, {space}: wrap the environment")
        self.can_leave = leaving
        self._sizes = [prod(space.shape) for space in self._spaces]
        self.count = max(self._sizes)
        bounds = np.full((2, len(agents), self.count), np.nan)
        for agent, space in enumerate(self._spaces):
            bounds[:, agent, : self._sizes[agent]] = space.low.ravel(), space.high.ravel()
        low, high = np.nanmin(bounds[0], 0).tolist(), np.nanmax(bounds[1], 0).tolist()
        self.bounds: tuple[tuple[float, float], ...] = tuple(zip(low, high, strict=True))

    def native(self, agent: int, action: NDArray[np.float32]) -> Any:
        """Give the environment's own form of an agent's numbers (U,)."""
        space = self._spaces[agent]
        said = action[: self._sizes[agent]].reshape(space.shape)
        return np.clip(said, space.low, space.high).astype(space.dtype)

    def rest(self, row: NDArray[np.bool_]) -> None:
        """Leave the row (U,) of False of an agent that may do nothing."""

    def allow(self, agent: int, mask: Any, row: NDArray[np.bool_], ended: bool) -> None:
        """Write which numbers are a living agent's own into its row (U,) of False."""
        if mask is not None:
            raise SpecViolation(f"{self._names[agent]} has an {MASK}, but says numbers")
        row[: self._sizes[agent]] = True


def actions_of(agents: Mapping[str, Space], leaving: bool, joint: bool) -> Actions | Numbers:
    """Give the action spaces of A agents as one kind; SpecViolation where they are of both."""
    boxes = {name: each for name, each in agents.items() if isinstance(each, spaces.Box)}
    if not boxes:
        return Actions(agents, leaving, joint)
    if len(boxes) < len(agents):
        odd = next(name for name in agents if name not in boxes)
        raise SpecViolation(
            f"{next(iter(boxes))} says numbers, {next(iter(boxes.values()))}, and {odd} acts by "
            f"{agents[odd]}: all agents act by one kind; wrap the environment"
        )
    return Numbers(boxes, leaving)
