"""Saves replays incrementally: a segment file holds the rows that are new since the last one."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import Ring
from marlbench.store.files import replacing


class Damaged(Exception):  # noqa: N818 - leads to the checkpoint before
    """A checkpoint cannot be used: a file of it is missing or is not what was written."""


@dataclass(frozen=True)
class RingPlace:
    """Stands for a `Ring` in a saved state."""

    name: str


@dataclass(frozen=True)
class Segment:
    """Rows `start` to `end` (counted from the first ever written) of a ring, in one file."""

    file: str
    start: int
    end: int
    crc: int


def take_rings(state: Any, found: dict[str, Ring], name: str = "") -> Any:
    """Give the nested state with places for its rings, which are put into `found`."""
    if isinstance(state, Ring):
        found[name] = state
        return RingPlace(name)
    if isinstance(state, dict):
        return {key: take_rings(item, found, f"{name}.{key}") for key, item in state.items()}
    if type(state) in (list, tuple):
        return type(state)(take_rings(v, found, f"{name}.{i}") for i, v in enumerate(state))
    return state


def put_rings(state: Any, rings: Mapping[str, Ring]) -> Any:
    """Undo `take_rings`."""
    if isinstance(state, RingPlace):
        return rings[state.name]
    if isinstance(state, dict):
        return {key: put_rings(item, rings) for key, item in state.items()}
    if type(state) in (list, tuple):
        return type(state)(put_rings(item, rings) for item in state)
    return state


def empty_rings(document: Mapping[str, Any]) -> dict[str, Ring]:
    """Give the rings of what `Segments.save` gave, before their first row; reads no file."""
    return {name: Ring(_reserved(entry), written=0) for name, entry in document.items()}


class Segments:
    """The segment files of every ring in a checkpoint folder."""

    def __init__(self, folder: Path) -> None:
        """Begin with nothing saved."""
        self.folder = folder
        self._saved: dict[str, list[Segment]] = {}

    def save(self, rings: Mapping[str, Ring], number: int) -> dict[str, Any]:
        """Write what is new since the last save; give what `load` needs, as plain values."""
        return {
            name: self._save(f"{number:06d}.{index}.ring", name, ring)
            for index, (name, ring) in enumerate(rings.items())
        }

    def load(self, document: Mapping[str, Any]) -> dict[str, Ring]:
        """Give the rings as they were saved; the next save goes on from here."""
        saved = {n: [Segment(**s) for s in entry["segments"]] for n, entry in document.items()}
        rings = {name: self._load(entry, saved[name]) for name, entry in document.items()}
        self._saved = saved
        return rings

    def _save(self, file: str, name: str, ring: Ring) -> dict[str, Any]:
        capacity = len(next(iter(ring.arrays.values())))
        oldest = max(0, ring.written - capacity)
        kept = [s for s in self._saved.get(name, []) if s.end > oldest]
        if kept and kept[-1].end > ring.written:
            kept = []  # this ring has begun anew
        start = max(oldest, kept[-1].end if kept else 0)
        if start < ring.written:
            kept.append(self._write(file, ring, start, capacity))
        self._saved[name] = kept
        fields = {k: [list(a.shape[1:]), a.dtype.str] for k, a in ring.arrays.items()}
        segments = [asdict(segment) for segment in kept]
        sizes = {"written": ring.written, "capacity": capacity}
        return {**sizes, "fields": fields, "segments": segments}

    def _write(self, file: str, ring: Ring, start: int, capacity: int) -> Segment:
        with replacing(self.folder / file) as out:
            for array in ring.arrays.values():
                for first, end in _runs(start, ring.written, capacity):
                    np.lib.format.write_array(out, array[first:end], allow_pickle=False)
        return Segment(file, start, ring.written, checksum(self.folder / file))

    def _load(self, entry: Mapping[str, Any], segments: list[Segment]) -> Ring:
        arrays = _reserved(entry)
        for segment in segments:
            self._read(segment, arrays, entry["capacity"])
        return Ring(arrays, entry["written"])

    def _read(self, segment: Segment, arrays: dict[str, NDArray[Any]], capacity: int) -> None:
        """Put a segment's rows where they stood; later segments overwrite what they replaced."""
        verify(self.folder / segment.file, segment.crc)
        with (self.folder / segment.file).open("rb") as file:
            for array in arrays.values():
                for first, end in _runs(segment.start, segment.end, capacity):
                    array[first:end] = np.lib.format.read_array(file)


def _reserved(entry: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Give a ring's arrays (capacity, ...), which take memory only as they are written to."""
    return {
        name: np.zeros((entry["capacity"], *shape), dtype=np.dtype(dtype))
        for name, (shape, dtype) in entry["fields"].items()
    }


def checksum(path: Path) -> int:
    """Give the CRC-32 of a file."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc


def verify(path: Path, crc: int) -> None:
    """Raise `Damaged` unless the file is what was written."""
    try:
        found = checksum(path)
    except FileNotFoundError:
        raise Damaged(f"{path.name} is missing") from None
    if found != crc:
        raise Damaged(f"{path.name} has checksum {found}, {crc} was written")


def _runs(start: int, end: int, capacity: int) -> list[tuple[int, int]]:
    """Give where rows `start` to `end` stand in a ring: one run of indices, or two.

    >>> _runs(2, 5, 10), _runs(8, 12, 10), _runs(10, 20, 10)
    ([(2, 5)], [(8, 10), (0, 2)], [(0, 10)])
    """
    first, count = start % capacity, end - start
    if first + count <= capacity:
        return [(first, first + count)]
    return [(first, capacity), (0, first + count - capacity)]
