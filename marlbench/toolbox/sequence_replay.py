"""Replay of windows: E streams of time steps in rings, read by slice copies.

A row holds what all E copies showed at one moment. Windows never cross the end of an episode;
what a window lacks behind that end is zeros, and the caller says what zeros mean.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLAGS = ("first", "last", "terminal")


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
        self._end = np.zeros((self.rows, num_envs), np.int64)  # its last row, -1 while it goes on

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
        """Note where the episodes of row k began and, if they end here, that they do."""
        here, before = k % self.rows, (k - 1) % self.rows
        starts = self.arrays["first"][here] | (k == 0)
        self._begin[here] = np.where(starts, k, self._begin[before])
        self._end[here] = -1
        for env in np.flatnonzero(self.arrays["last"][here]):
            begin = max(self._begin[here, env], k - self.rows + 1)
            self._end[np.arange(begin, k + 1) % self.rows, env] = k

    def sample(
        self, rng: np.random.Generator, batch: int, length: int, tail: int = 0
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
        """Windows of `length` steps: fields (T, B, ...) and which steps are real, (T, B) bool.

        A window is drawn at a uniform step and moved back, where its episode is long enough, so
        that it ends with the episode; behind a terminal end `tail` steps are left free.
        """
        if not self.written:
            msg = "nothing to sample: the replay is empty"
            raise ValueError(msg)
        row = rng.integers(self.oldest, self.written, batch)  # (B,)
        env = rng.integers(0, self.num_envs, batch)  # (B,)
        return self._windows(row, env, length, tail)

    def newest(self, length: int) -> dict[str, NDArray[Any]]:
        """The newest window of stream 0, fields (T, 1, ...) with T <= `length`, no random draw.

        Where an episode goes on and is younger than `length`, it is the end of the one before, if
        that is there.
        """
        assert self.written, "the replay is empty"
        row = self.written - 1
        begin = max(self._begin[row % self.rows, 0], self.oldest)
        young = self._end[row % self.rows, 0] < 0 and row - begin + 1 < length
        row = begin - 1 if young and begin > self.oldest else row
        window, real = self._windows(np.array([row]), np.array([0]), length, tail=0)
        return {name: array[real[:, 0]] for name, array in window.items()}

    def _windows(
        self, row: NDArray[np.int64], env: NDArray[np.int64], length: int, tail: int
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
        """The windows of `sample` about rows (B,) of streams (B,)."""
        start, real = self._place(row, env, length, tail)
        batch = len(row)
        window = {
            name: np.zeros((length, batch, *array.shape[2:]), array.dtype)
            for name, array in self.arrays.items()
        }
        for b, (row, count, e) in enumerate(zip(start % self.rows, real, env, strict=True)):
            unwrapped = min(count, self.rows - row)
            for name, array in self.arrays.items():
                window[name][:unwrapped, b] = array[row : row + unwrapped, e]
                window[name][unwrapped:count, b] = array[: count - unwrapped, e]
        return window, np.arange(length)[:, None] < real  # (T, B)

    def _place(
        self, row: NDArray[np.int64], env: NDArray[np.int64], length: int, tail: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First row (B,) and number of real steps (B,) of each window."""
        here = row % self.rows
        ended = self._end[here, env]
        stop = np.where(ended >= 0, ended, self.written - 1)
        begin = np.maximum(self._begin[here, env], self.oldest)
        free = np.where(self.arrays["terminal"][stop % self.rows, env], tail, 0)
        start = np.minimum(row, np.maximum(begin, stop + free - length + 1))
        return start, np.minimum(length, stop - start + 1)

    def restore(self, arrays: Mapping[str, NDArray[Any]], written: int) -> None:
        """Take the rows of an equal replay."""
        kept = min(written, self.rows)
        for name, array in self.arrays.items():
            array[:kept] = arrays[name][:kept]  # writing more would take memory for nothing
        self.written = written
        for k in range(self.oldest, written):
            self._index(k)
