"""How many runs share a GPU: so many as were asked for, or as many as fit; never too many twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from marlbench.grid.slots import Slot

__all__ = ["Sharing"]

FILLED = 0.9
"""Part of a GPU's free memory that runs are to fill: peaks may be still to come."""


@dataclass
class Sharing:
    """Which of the slots may be taken now; slots are known by their number."""

    slots: Sequence[Slot]
    by_memory: bool = False
    """Whether runs share a GPU as its memory allows: one alone until it is known what one takes."""
    peak: float = 0.0
    """GiB: the most that any run has taken of its GPU."""
    free: dict[str, float] = field(default_factory=dict)
    """GiB that were free before any run, by GPU."""
    most: dict[str, int] = field(default_factory=dict)
    """Runs at once that a GPU may have, where more found no room."""
    company: dict[int, int] = field(default_factory=dict)
    """The most runs that a slot's run has seen on its GPU, itself too."""

    def admits(self, number: int, busy: Iterable[int]) -> bool:
        """Say whether a run may begin in this slot while those are busy."""
        gpu = self.slots[number].gpu
        return not gpu or len(self._beside(number, busy)) < self._places(gpu)

    def began(self, number: int, busy: Iterable[int]) -> None:
        """Note that a run begins in this slot, which is busy by now."""
        there = self._beside(number, busy)
        self.company[number] = 0
        for each in there:
            self.company[each] = max(self.company[each], len(there))

    def told(self, number: int, progress: Mapping[str, Any]) -> None:
        """Note what a run says of its GPU's memory: nothing before it has learnt for a while."""
        free, peak = progress.get("gpu_free_gib"), progress.get("gpu_peak_gib")
        if free and peak:
            gpu = self.slots[number].gpu
            self.free[gpu] = max(self.free.get(gpu, 0.0), float(free))
            self.peak = max(self.peak, float(peak))

    def full(self, number: int) -> bool:
        """Note that a run found no room; say whether fewer would have left it some."""
        gpu, there = self.slots[number].gpu, self.company[number]
        self.most[gpu] = max(1, min(self._limit(gpu), there - 1))
        return there > 1

    def _beside(self, number: int, busy: Iterable[int]) -> list[int]:
        gpu = self.slots[number].gpu
        return [each for each in busy if self.slots[each].gpu == gpu]

    def _limit(self, gpu: str) -> int:
        return self.most.get(gpu, len(self.slots))

    def _places(self, gpu: str) -> int:
        if not self.by_memory:
            return self._limit(gpu)
        fit = int(FILLED * self.free[gpu] / self.peak) if gpu in self.free else 1
        return max(1, min(self._limit(gpu), fit))
