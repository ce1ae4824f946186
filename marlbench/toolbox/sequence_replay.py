"""Replay of windows: E streams of time steps in rings, out of which full windows are packed.

A row holds what all E copies showed at one moment. A window is a piece of an episode and, behind
its end, other episodes from their beginnings, until it is full. Rows that only stand for what
follows a true end are zeros, and the caller says what zeros mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import ReplayBuffer

__all__ = ["SequenceReplay", "Windows"]

FLAGS = ("first", "last", "terminal")


@dataclass(frozen=True)
class Windows:
    """B windows of T rows, every one of them full."""

    fields: dict[str, NDArray[Any]]
    """By name (T, B, ...): as they were written, zeros behind a true end."""
    real: NDArray[np.bool_]
    """(T, B): the row was written; off: it stands behind a true end."""
    joined: NDArray[np.bool_]
    """(T, B): the row does not follow on the one before it, the window's first one included."""


class SequenceReplay:
    """Keeps the newest `capacity` time steps of E streams and samples windows of them.

    `arrays[name]` is (rows, E, ...), time-major, allocated once; row k ever written stands at
    `k % rows` and does not change until it is overwritten.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        fields: Mapping[str, tuple[tuple[int, ...], str]],
    ) -> None:
        """Make room for `capacity` steps, all streams together, of fields (shape, dtype)."""
        self.rows = max(1, capacity // num_envs)
        self.num_envs = num_envs
        layout = {**fields, **{flag: ((), "bool") for flag in FLAGS}}
        self.arrays: dict[str, NDArray[Any]] = {
            name: np.zeros((self.rows, num_envs, *shape), dtype)
            for name, (shape, dtype) in layout.items()
        }
        self.written = 0
        self._begin = np.zeros((self.rows, num_envs), np.int64)  # row on which the episode began

    def __len__(self) -> int:
        """Time steps that can be sampled, all streams together."""
        return min(self.written, self.rows) * self.num_envs

    @property
    def oldest(self) -> int:
        """The oldest row that is not overwritten."""
        return max(0, self.written - self.rows)

    def add(self, row: Mapping[str, NDArray[Any]]) -> None:
        """Write one moment of all streams, each field (E, ...)."""
        if row.keys() != self.arrays.keys():
            msg = f"a row has the fields {sorted(self.arrays)}, got {sorted(row)}"
            raise ValueError(msg)
        for name, array in self.arrays.items():
            array[self.written % self.rows] = row[name]
        self.written += 1
        self._index(self.written - 1)

    def _index(self, k: int) -> None:
        """Note where the episodes of row k began."""
        here, before = k % self.rows, (k - 1) % self.rows
        starts = self.arrays["first"][here] | (k == 0)
        self._begin[here] = np.where(starts, k, self._begin[before])

    def sample(self, rng: np.random.Generator, batch: int, length: int, tail: int = 0) -> Windows:
        """Pack `batch` windows of `length` rows; behind each true end come `tail` rows of zeros.

        A window begins at a uniform row of all, tails included, and goes on with episodes that are
        drawn uniformly. That is a stationary renewal process: at every place of a window each row
        is equally likely [Cox 1962, Renewal Theory, section 2.2], beginnings like all others.
        """
        if not self.written:
            msg = "nothing to sample: the replay is empty"
            raise ValueError(msg)
        begin, end, stream = self._episodes()  # (N,) each
        behind = np.where(self.arrays["terminal"][end % self.rows, stream], tail, 0)
        spans = end - begin + 1 + behind
        stops = spans.cumsum()
        row, env = (np.empty((length, batch), np.int64) for _ in range(2))
        joined, real = (np.zeros((length, batch), bool) for _ in range(2))
        for b, place in enumerate(rng.integers(0, stops[-1], batch)):
            episode = int(stops.searchsorted(place, side="right"))
            skipped, t = place - (stops - spans)[episode], 0
            while t < length:
                part = slice(t, min(length, t + spans[episode] - skipped))
                row[part, b] = begin[episode] + skipped + np.arange(part.stop - t)
                env[part, b] = stream[episode]
                real[part, b] = row[part, b] <= end[episode]
                joined[t, b] = True
                episode, skipped, t = int(rng.integers(len(spans))), 0, part.stop
        return Windows(self._rows(row, env, real), real, joined)

    def _episodes(self) -> tuple[NDArray[np.int64], ...]:
        """First row, last row and stream (N,) of all episodes, as far as they are kept."""
        newest = self.written - 1
        kept = self.arrays["last"][: min(self.written, self.rows)].copy()
        kept[newest % self.rows] = True  # what goes on ends here for now
        position, stream = kept.nonzero()
        end = newest - (newest - position) % self.rows
        return np.maximum(self._begin[position, stream], self.oldest), end, stream

    def _rows(
        self, row: NDArray[np.int64], env: NDArray[np.int64], real: NDArray[np.bool_]
    ) -> dict[str, NDArray[Any]]:
        """Fields (T, B, ...) of rows of streams (T, B), zeros where they are not real."""
        fields = {name: array[row % self.rows, env] for name, array in self.arrays.items()}
        for array in fields.values():
            array[~real] = 0
        return fields

    def newest(self, length: int) -> Windows:
        """The newest rows of stream 0, one window of at most `length`, no random draw.

        Where an episode goes on and is younger than `length`, they are the end of the one before,
        if that is there.
        """
        assert self.written, "the replay is empty"
        row = self.written - 1
        begin = self._kept_begin(row)
        young = not self.arrays["last"][row % self.rows, 0] and row - begin + 1 < length
        row = begin - 1 if young and begin > self.oldest else row
        rows = np.arange(max(self._kept_begin(row), row - length + 1), row + 1)[:, None]
        real, joined = np.ones(rows.shape, bool), rows == rows[0]
        return Windows(self._rows(rows, np.zeros_like(rows), real), real, joined)

    def _kept_begin(self, row: int) -> int:
        """The first row, of those kept, of the episode of stream 0 that a row is of."""
        return max(int(self._begin[row % self.rows, 0]), self.oldest)

    def state_dict(self) -> ReplayBuffer:
        """Give the rows, which are not copied."""
        return ReplayBuffer(self.arrays, self.written)

    def load_state_dict(self, state: ReplayBuffer, /) -> None:
        """Take the rows of an equal replay."""
        self.written = state.written
        kept = min(self.written, self.rows)
        for name, array in self.arrays.items():
            array[:kept] = state.arrays[name][:kept]  # writing more would take memory for nothing
        for k in range(self.oldest, self.written):
            self._index(k)
