"""Saves replays incrementally: a segment file holds the rows that are new since the last one."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import ReplayBuffer
from marlbench.store.files import opened, replacing


class Damaged(Exception):  # noqa: N818 - leads to the checkpoint before
    """A checkpoint cannot be used: a file of it is missing or is not what was written."""


@dataclass(frozen=True)
class BufferPlace:
    """Stands for a `ReplayBuffer` in a saved state."""

    name: str


@dataclass(frozen=True)
class Segment:
    """Rows `start` to `end` (counted from the first ever written) of a buffer, in one file."""

    file: str
    start: int
    end: int
    crc: int


def take_buffers(state: Any, found: dict[str, ReplayBuffer], name: str = "") -> Any:
    """Give the nested state with places for its buffers, which are put into `found`."""
    if isinstance(state, ReplayBuffer):
        found[name] = state
        return BufferPlace(name)
    if isinstance(state, dict):
        return {key: take_buffers(item, found, f"{name}.{key}") for key, item in state.items()}
    if type(state) in (list, tuple):
        return type(state)(take_buffers(v, found, f"{name}.{i}") for i, v in enumerate(state))
    return state


def put_buffers(state: Any, buffers: Mapping[str, ReplayBuffer]) -> Any:
    """Undo `take_buffers`."""
    if isinstance(state, BufferPlace):
        return buffers[state.name]
    if isinstance(state, dict):
        return {key: put_buffers(item, buffers) for key, item in state.items()}
    if type(state) in (list, tuple):
        return type(state)(put_buffers(item, buffers) for item in state)
    return state


def sizes_of(buffer: ReplayBuffer) -> dict[str, Any]:
    """Give what `empty_buffers` needs of a buffer, as plain values."""
    fields = {k: [list(a.shape[1:]), a.dtype.str] for k, a in buffer.arrays.items()}
    return {"capacity": len(next(iter(buffer.arrays.values()))), "fields": fields}


def empty_buffers(document: Mapping[str, Any]) -> dict[str, ReplayBuffer]:
    """Give buffers of these sizes before their first row; reads no file."""
    return {name: ReplayBuffer(_reserved(entry), written=0) for name, entry in document.items()}


class Segments:
    """The segment files of every buffer in a checkpoint folder.

    Two chains of them take turns, each going on from its own last save: two checkpoints in a row
    share no file, so none that is lost costs both.
    """

    def __init__(self, folder: Path) -> None:
        """Begin with nothing saved."""
        self.folder = folder
        self._chains: list[dict[str, list[Segment]]] = [{}, {}]  # the one that is next first

    def save(self, buffers: Mapping[str, ReplayBuffer], number: int) -> dict[str, Any]:
        """Write what is new since the save before the last; give what `load` needs, as JSON."""
        chain, last = self._chains
        self._chains = [last, chain]
        return {
            name: self._save(f"{number:06d}.{index}.ring", chain, name, buffer)
            for index, (name, buffer) in enumerate(buffers.items())
        }

    def load(self, document: Mapping[str, Any]) -> dict[str, ReplayBuffer]:
        """Give the buffers as they were saved; the save after the next goes on from here."""
        saved = {n: [Segment(**s) for s in entry["segments"]] for n, entry in document.items()}
        buffers = {name: self._load(entry, saved[name]) for name, entry in document.items()}
        self._chains = [{}, saved]
        return buffers

    def _save(
        self, file: str, saved: dict[str, list[Segment]], name: str, buffer: ReplayBuffer
    ) -> dict[str, Any]:
        capacity = len(next(iter(buffer.arrays.values())))
        oldest = max(0, buffer.written - capacity)
        kept = [s for s in saved.get(name, []) if s.end > oldest]
        if kept and kept[-1].end > buffer.written:
            kept = []  # this buffer has begun anew
        start = max(oldest, kept[-1].end if kept else 0)
        if start < buffer.written:
            kept.append(self._write(file, buffer, start, capacity))
        saved[name] = kept
        segments = [asdict(segment) for segment in kept]
        return {**sizes_of(buffer), "written": buffer.written, "segments": segments}

    def _write(self, file: str, buffer: ReplayBuffer, start: int, capacity: int) -> Segment:
        with replacing(self.folder / file) as out:
            for array in buffer.arrays.values():
                for first, end in _runs(start, buffer.written, capacity):
                    np.lib.format.write_array(out, array[first:end], allow_pickle=False)
        return Segment(file, start, buffer.written, checksum(self.folder / file))

    def _load(self, entry: Mapping[str, Any], segments: list[Segment]) -> ReplayBuffer:
        arrays = _reserved(entry)
        for segment in segments:
            self._read(segment, arrays, entry["capacity"])
        return ReplayBuffer(arrays, entry["written"])

    def _read(self, segment: Segment, arrays: dict[str, NDArray[Any]], capacity: int) -> None:
        """Put a segment's rows where they stood; later segments overwrite what they replaced."""
        verify(self.folder / segment.file, segment.crc)
        with opened(self.folder / segment.file) as file:
            for array in arrays.values():
                for first, end in _runs(segment.start, segment.end, capacity):
                    array[first:end] = np.lib.format.read_array(file, allow_pickle=False)


def _reserved(entry: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Give a buffer's arrays (capacity, ...), which take memory only as they are written to."""
    return {
        name: np.zeros((entry["capacity"], *shape), dtype=np.dtype(dtype))
        for name, (shape, dtype) in entry["fields"].items()
    }


def checksum(path: Path) -> int:
    """Give the CRC-32 of a file."""
    crc = 0
    with opened(path) as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc


def verify(path: Path, crc: int) -> None:
    """Raise `Damaged` unless the file is what was written."""
    try:
        found = checksum(path)
    except FileNotFoundError:
        raise Damaged(f"{path.name} is missing") from None
    except ValueError as error:
        raise Damaged(str(error)) from error
    if found != crc:
        raise Damaged(f"{path.name} has checksum {found}, {crc} was written")


def _runs(start: int, end: int, capacity: int) -> list[tuple[int, int]]:
    """Give where rows `start` to `end` stand in a buffer: one run of indices, or two.

    >>> _runs(2, 5, 10), _runs(8, 12, 10), _runs(10, 20, 10)
    ([(2, 5)], [(8, 10), (0, 2)], [(0, 10)])
    """
    first, count = start % capacity, end - start
    if first + count <= capacity:
        return [(first, first + count)]
    return [(first, capacity), (0, first + count - capacity)]
