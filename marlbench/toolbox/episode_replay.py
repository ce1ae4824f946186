"""A ring of whole episodes, filled from copies that play in lockstep, drawn without padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EpisodeReplay", "Episodes"]

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Episodes:
    """A draw of B episodes, packed time-major, longest first: no row of it is padding.

    First come all row 0s, then the row 1s of the episodes that have one, and so on. An episode
    of `length` steps has `length + 1` rows; the row after a step holds what the step led to.
    So the rows from B on are the steps' outcomes, in the order of the steps.
    """

    rows: Mapping[str, NDArray[Any]]
    """Each (N, ...)."""
    sizes: list[int]
    """(T + 1,) rows that each time has; the first is B."""
    length: NDArray[np.int64]
    """(B,) steps of each episode, falling."""
    terminal: NDArray[np.bool_]
    """(B,) whether the end is real, not a cut."""
    time: NDArray[np.int64]
    """(N,) each row's time."""
    episode: NDArray[np.int64]
    """(N,) each row's episode."""


class EpisodeReplay:
    """The newest `capacity` episodes; each is a row of the ring, padded to the episode limit.

    What stands behind an episode's last row is left over from older ones and never read.
    """

    def __init__(
        self, fields: Mapping[str, tuple[tuple[int, ...], str]], limit: int, capacity: int
    ) -> None:
        """Reserve room for fields of these (shape, dtype); memory is taken as episodes come."""
        self.fields, self.limit, self.capacity = dict(fields), limit, capacity
        self.ring: Arrays = self.allocate(capacity)
        self.ring["length"] = np.zeros(capacity, np.int32)
        self.ring["terminal"] = np.zeros(capacity, np.bool_)
        self.written = 0
        self.playing: Arrays = {}  # (E, T + 1, ...): the unfinished episode of each copy
        self.time = np.zeros(0, np.int64)  # (E,): the row that each copy is at

    def allocate(self, count: int) -> Arrays:
        """Give zeroed arrays (count, T + 1, ...) for that many episodes."""
        return {
            name: np.zeros((count, self.limit + 1, *shape), dtype)
            for name, (shape, dtype) in self.fields.items()
        }

    @property
    def size(self) -> int:
        """Episodes that can be drawn."""
        return min(self.written, self.capacity)

    def append(
        self, rows: Mapping[str, NDArray[Any]], first: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Take one row (E, ...) per copy; give the times (E,) at which they stand now."""
        if len(first) != len(self.time):
            self.playing, self.time = self.allocate(len(first)), np.zeros(len(first), np.int64)
        self.time = np.where(first, 0, self.time + 1)
        longest = int(self.time.max())
        assert longest <= self.limit, f"an episode of {longest} steps; the limit is {self.limit}"
        copies = np.arange(len(first))
        for name, values in rows.items():
            self.playing[name][copies, self.time] = values
        return self.time

    def finish(self, copy: int, length: int, terminal: bool) -> None:
        """Move the first `length` steps that this copy has played into the ring, if any."""
        if not length:
            return
        row = self.written % self.capacity
        for name in self.fields:
            self.ring[name][row, : length + 1] = self.playing[name][copy, : length + 1]
        self.ring["length"][row], self.ring["terminal"][row] = length, terminal
        self.written += 1

    def sample(self, generator: np.random.Generator, count: int) -> Episodes:
        """Draw `count` different episodes, all equally likely."""
        return self.packed(generator.choice(self.size, count, replace=False))

    def packed(self, chosen: NDArray[np.int64]) -> Episodes:
        """Give the episodes at these places (B,) of the ring."""
        length = self.ring["length"][chosen].astype(np.int64)
        order = np.argsort(-length, kind="stable")
        chosen, length = chosen[order], length[order]
        present = np.arange(length[0] + 1)[:, None] <= length  # (T + 1, B)
        time, episode = present.nonzero()  # (N,) each, time-major
        places = chosen[episode] * (self.limit + 1) + time
        rows = {
            name: self.ring[name].reshape(-1, *shape).take(places, 0)
            for name, (shape, _) in self.fields.items()
        }
        sizes = present.sum(1).tolist()
        return Episodes(rows, sizes, length, self.ring["terminal"][chosen], time, episode)

    def unfinished(self) -> dict[str, Any]:
        """Give what is not in the ring: the episodes that are being played."""
        seen = slice(0, int(self.time.max(initial=-1)) + 1)  # what is behind, nobody has written
        playing = {name: array[:, seen].copy() for name, array in self.playing.items()}
        return {"playing": playing, "time": self.time}

    def restore(self, ring: Mapping[str, NDArray[Any]], written: int, rest: dict[str, Any]) -> None:
        """Go on from a ring, the episodes ever written to it and what `unfinished` gave."""
        self.written = written
        for name, array in self.ring.items():
            array[: self.size] = ring[name][: self.size]
        self.time = rest["time"]
        self.playing = self.allocate(len(self.time)) if len(self.time) else {}
        for name, array in rest["playing"].items():
            self.playing[name][:, : array.shape[1]] = array
