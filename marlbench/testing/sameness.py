"""Says where two states differ."""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from marlbench.plugin import ReplayBuffer, Step
from marlbench.vecenv.synchronous import stack


def difference(one: Any, other: Any, place: str = "state") -> str | None:
    """Give the first place at which two nested states differ exactly, None if they do not.

    NaN equals NaN; of a `ReplayBuffer` the live rows count.

    >>> difference({"a": [1, 2]}, {"a": [1, 3]})
    "state['a'][1]"
    """
    if isinstance(one, ReplayBuffer) and isinstance(other, ReplayBuffer):
        return difference(_live(one), _live(other), place)
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return f"{place}.keys()"
        return _first(difference(one[k], other[k], f"{place}[{k!r}]") for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return f"len({place})"
        pairs = enumerate(zip(one, other, strict=True))
        return _first(difference(a, b, f"{place}[{i}]") for i, (a, b) in pairs)
    if type(one) is type(other) and is_dataclass(one):
        return difference(_fields(one), _fields(other), place)
    return None if _leaf(one) == _leaf(other) else place


def step_difference(
    one: list[Step], other: list[Step], observations_only: bool = False
) -> str | None:
    """Give the first place at which two sequences of steps differ exactly, None if they do not."""
    names = ["obs"] if observations_only else [f.name for f in fields(Step) if f.name != "info"]
    both = [[[getattr(step, name) for name in names] for step in steps] for steps in (one, other)]
    infos = [[stack([step]).info for step in steps] for steps in (one, other)]
    return difference(both[0], both[1], f"[time][{', '.join(names)}]") or difference(
        infos[0], infos[1], "info"
    )


def leaves(state: Any, place: str = "state") -> Iterator[tuple[str, Any]]:
    """Give every float tensor or array of a nested state, less `ReplayBuffer`s, as bytes."""
    if isinstance(state, dict):
        for key, value in state.items():
            yield from leaves(value, f"{place}[{key!r}]")
    elif isinstance(state, list | tuple):
        for index, value in enumerate(state):
            yield from leaves(value, f"{place}[{index}]")
    elif is_floating(state):
        yield place, _leaf(state)


def through_disk(value: Any, *examples: Any) -> Any:
    """Give what comes back when a value is saved and loaded as the host does it.

    The dataclasses and NamedTuples in `examples` can be rebuilt, without any those in the value.
    """
    from marlbench.training import saved_state

    file, classes = io.BytesIO(), saved_state.classes_in(*(examples or (value,)))
    saved_state.write(file, value, classes)
    file.seek(0)
    return saved_state.read(file, classes, "cpu")


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _live(buffer: ReplayBuffer) -> dict[str, Any]:
    capacity = len(next(iter(buffer.arrays.values())))
    rows = slice(min(buffer.written, capacity))
    return {"written": buffer.written, **{k: array[rows] for k, array in buffer.arrays.items()}}


def _first(places: Iterator[str | None]) -> str | None:
    return next((place for place in places if place is not None), None)


def _leaf(value: Any) -> Any:
    """Give something that compares exactly: the bytes of an array, NaN as a word."""
    if _is_tensor(value):
        words = value.detach().cpu().flatten().view(sys.modules["torch"].uint8)
        return (tuple(value.shape), str(value.dtype), words.numpy().tobytes())
    if isinstance(value, np.ndarray | np.generic):
        return (value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, float) and value != value:
        return "NaN"
    plain = value is None or isinstance(value, bool | int | float | str | bytes)
    return value if plain else pickle.dumps(value)


def is_floating(value: Any) -> bool:
    """Say whether a value is a tensor or an array of floats."""
    if _is_tensor(value):
        return bool(value.is_floating_point())
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _is_tensor(value: Any) -> bool:
    """Say whether a value is torch's, without importing torch for those who have no use of it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
