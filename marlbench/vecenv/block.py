"""A copy's steps in memory that two processes share: a room for every array, all else by pipe."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.plugin import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from marlbench.plugin import EnvSpec

LINE = 64
"""Bytes of a cache line: every room begins on one of its own."""


class Block:
    """Rooms for the arrays of one copy's step, one for each field of its shape and dtype."""

    def __init__(self, spec: EnvSpec, memory: mmap.mmap) -> None:
        """Lay the rooms out in memory of `size_of(spec)` bytes."""
        self._rooms: dict[str, NDArray[Any]] = {}
        begin = 0
        for name, (shape, kind) in fields(spec).items():
            count = int(np.prod(shape))
            room = np.frombuffer(memory, kind, count, begin)
            self._rooms[name] = room.reshape(shape)
            begin += rounded(room.nbytes)

    def put(self, step: Step) -> dict[str, Any]:
        """Write a step's arrays; give the rest, with every array that fits no room.

        So whoever checks steps sees what is wrong with it.
        """
        rest = {name: getattr(step, name) for name in Step.__dataclass_fields__}
        rest["info"] = numbers(step.info)
        for name, room in self._rooms.items():
            value = rest[name]
            if isinstance(value, np.ndarray) and (value.shape, value.dtype) == (
                room.shape,
                room.dtype,
            ):
                np.copyto(room, value)
                del rest[name]
        return rest

    def take(self, rest: Mapping[str, Any]) -> Step:
        """Give the step of which this is the rest, its arrays no longer shared."""
        parts = dict(rest)
        for name, room in self._rooms.items():
            if name not in rest:
                parts[name] = room.copy()
        return Step(**parts)


def fields(spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], str]]:
    """Give the shape and dtype of every array of a step."""
    agents = spec.num_agents
    found: dict[str, tuple[tuple[int, ...], str]] = {
        "obs": ((agents, *spec.obs_shape), spec.obs_dtype),
        "avail": ((agents, spec.num_actions), "bool"),
        "alive": ((agents,), "bool"),
        "reward": ((agents,), "float32"),
    }
    if spec.state_shape is not None:
        found["state"] = (spec.state_shape, "float32")
    return found


def size_of(spec: EnvSpec) -> int:
    """Give the bytes of a copy's block: whole pages, at least one."""
    each = [int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in fields(spec).values()]
    page = mmap.ALLOCATIONGRANULARITY
    return max(1, -(-sum(map(rounded, each)) // page)) * page


def rounded(size: int) -> int:
    """Give a number of bytes rounded up to whole cache lines.

    >>> rounded(65)
    128
    """
    return -(-size // LINE) * LINE


def memory_file() -> int:
    """Give the descriptor of a file in memory that has no name, so that none is left behind."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("marlbench")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def numbers(info: Mapping[str, Any]) -> dict[str, Any]:
    """Give what copies in lockstep keep of a step's info: the numbers in it."""
    kinds = bool | int | float | np.generic | np.ndarray
    return {
        name: value
        for name, value in info.items()
        if isinstance(value, kinds) and not np.shape(value)
    }
