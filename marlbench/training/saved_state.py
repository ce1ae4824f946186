"""Nested states as data: reading one runs nothing that the file says.

The file is a line of JSON, the tree, and behind it the bytes of all tensors and arrays. JSON's
own values and lists stand for themselves; all else is an object of one key, its kind. A dataclass
or NamedTuple is told by name and fields, and is rebuilt only if the reader knows that name.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

Classes = Mapping[str, type]
"""What may be rebuilt, by name: dataclasses and NamedTuples."""


class NotData(TypeError):  # noqa: N818 - the plugin's matter
    """A state holds what cannot be told as data."""


def classes_in(*states: Any) -> dict[str, type]:
    """Give the dataclasses and NamedTuples that stand in nested states, by name."""
    found: dict[str, type] = {}
    for state in states:
        for item in _walk(state):
            if _is_record(item):
                found |= named(type(item))
    return found


def named(*kinds: type) -> dict[str, type]:
    """Give classes by the names under which a file tells them."""
    return {_name(kind): kind for kind in kinds}


def write(file: IO[bytes], state: Any, classes: Classes) -> None:
    """Write a nested state; raises `NotData` naming the place of what no reader could rebuild."""
    writer = _Writer(classes)
    tree = writer.told(state, "state")
    file.write(json.dumps(tree).encode() + b"\n")
    file.writelines(writer.blobs)


def read(file: IO[bytes], classes: Classes, device: str) -> Any:
    """Give a state as it was written; ValueError for what no `write` made.

    Tensors of a GPU come back to it where `device` is `cuda`, else to the CPU.
    """
    head, blobs = file.readline(), file.read()
    try:
        return _Reader(blobs, classes, device).value(json.loads(head))
    except (AttributeError, LookupError, MemoryError, RecursionError, RuntimeError) as error:
        raise ValueError(f"no saved state: {error!r}") from error
    except TypeError as error:
        raise ValueError(f"no saved state: {error}") from error


def _walk(state: Any) -> Iterator[Any]:
    """Give a state and all that stands in it."""
    yield state
    if isinstance(state, Mapping):
        parts: Any = state.values()
    elif isinstance(state, list | tuple | deque):
        parts = state
    elif is_dataclass(state):
        parts = [getattr(state, name) for name in _fields(state)]
    else:
        parts = ()
    for part in parts:
        yield from _walk(part)


def _is_record(value: Any) -> bool:
    if isinstance(value, type):
        return False
    return is_dataclass(value) or (isinstance(value, tuple) and hasattr(value, "_fields"))


def _fields(kind: Any) -> tuple[str, ...]:
    """Give the names of a dataclass's or NamedTuple's fields."""
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind))
    names: tuple[str, ...] = kind._fields
    return names


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


class _Writer:
    """Tells values as JSON can say them, and keeps the bytes that it cannot."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.blobs: list[bytes] = []
        self._end = 0

    def told(self, value: Any, place: str) -> Any:
        """Give what stands for a value in the tree."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, torch.Tensor):
            return self._tensor(value, place)
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value, place)
        if _is_record(value):
            return self._record(value, place)
        if type(value) is bytes:
            return {"bytes": self._keep(value)}
        return self._items(value, place)

    def _items(self, value: Any, place: str) -> Any:
        if type(value) in (dict, OrderedDict):
            pairs = [
                [self.told(key, f"{place}.keys()"), self.told(item, f"{place}.{key}")]
                for key, item in value.items()
            ]
            return {"dict" if type(value) is dict else "ordered": pairs}
        if type(value) not in (list, tuple, set, deque, torch.Size):
            raise NotData(
                f"{place} is a {_name(type(value))}, which a checkpoint cannot hold: it holds "
                "tensors, arrays, plain values, and lists, tuples, dicts and dataclasses of them"
            )
        items = [self.told(item, f"{place}.{index}") for index, item in enumerate(value)]
        if type(value) is deque:
            return {"deque": [items, value.maxlen]}
        return items if type(value) is list else {"set" if type(value) is set else "tuple": items}

    def _record(self, value: Any, place: str) -> Any:
        name = _name(type(value))
        if self.classes.get(name) is not type(value):
            raise NotData(
                f"{place} is a {name}, which nobody could rebuild: a checkpoint holds the classes "
                "that stand in what a new agent's start() and state() give"
            )
        parts = {f: self.told(getattr(value, f), f"{place}.{f}") for f in _fields(value)}
        return {"record": [name, parts]}

    def _tensor(self, tensor: torch.Tensor, place: str) -> Any:
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise NotData(f"{place} is a tensor of layout {tensor.layout}: dense ones are kept")
        plain = tensor.detach().cpu().contiguous()
        # a product may round otherwise over other strides, so they are kept where they are dense
        strides = torch.empty_like(tensor, device="cpu").stride()
        data = plain.reshape(-1).view(torch.uint8).numpy().tobytes()
        dtype = str(tensor.dtype).removeprefix("torch.")
        facts = [dtype, list(tensor.shape), list(strides), tensor.device.type]
        return {"tensor": [*facts, self._keep(data)]}

    def _array(self, value: Any, place: str) -> Any:
        if value.dtype == object:
            items = [self.told(v, f"{place}.{i}") for i, v in enumerate(value.ravel())]
            return {"objects": [list(value.shape), items]}
        if value.dtype.names or value.dtype.hasobject:
            raise NotData(f"{place} is an array of {value.dtype}: one array for each field is kept")
        order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        facts = [value.dtype.str, list(value.shape), order, self._keep(value.tobytes(order))]
        return {"array" if isinstance(value, np.ndarray) else "scalar": facts}

    def _keep(self, data: bytes) -> list[int]:
        """Put bytes aside; give where they begin and how many they are."""
        start, self._end = self._end, self._end + len(data)
        self.blobs.append(data)
        return [start, len(data)]


class _Reader:
    """Makes values of what `_Writer` told: one method for each kind, nothing else is called."""

    def __init__(self, blobs: bytes, classes: Classes, device: str) -> None:
        self.blobs, self.classes, self.device = memoryview(blobs), classes, device
        self.kinds: dict[str, Callable[..., Any]] = {
            "tensor": self._tensor,
            "array": self._array,
            "scalar": lambda *facts: self._array(*facts)[()],
            "objects": self._objects,
            "record": self._record,
            "ordered": lambda *pairs: OrderedDict(self._dict(pairs)),
            "deque": lambda items, maxlen: deque(map(self.value, items), maxlen),
            "dict": lambda *pairs: self._dict(pairs),
            "tuple": lambda *items: tuple(map(self.value, items)),
            "set": lambda *items: set(map(self.value, items)),
            "bytes": lambda start, count: bytes(self._blob(start, count)),
        }

    def value(self, told: Any) -> Any:
        if isinstance(told, list):
            return [self.value(item) for item in told]
        if not isinstance(told, dict):
            return told
        ((kind, facts),) = told.items()
        return self.kinds[kind](*facts)

    def _blob(self, start: int, count: int) -> memoryview:
        data = self.blobs[start : start + count]
        if start < 0 or len(data) != count:
            raise ValueError("it is shorter than it says")
        return data

    def _dict(self, pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
        return {self.value(key): self.value(item) for key, item in pairs}

    def _record(self, name: str, parts: dict[str, Any]) -> Any:
        if name not in self.classes:
            raise ValueError(f"it holds a {name}, which this version of the learner does not know")
        kind = self.classes[name]
        if set(parts) != set(_fields(kind)):
            raise ValueError(f"the fields of {name} are others than when it was saved")
        values = {field: self.value(parts[field]) for field in _fields(kind)}
        if issubclass(kind, tuple):
            return tuple.__new__(kind, values.values())
        record = object.__new__(kind)  # no code of the class runs: its values are as they were
        for field, value in values.items():
            object.__setattr__(record, field, value)
        return record

    def _tensor(
        self, dtype: str, shape: list[int], strides: list[int], device: str, place: list[int]
    ) -> torch.Tensor:
        kind = getattr(torch, dtype)
        if not isinstance(kind, torch.dtype):
            raise ValueError(f"{dtype} is no type of tensors")
        count = math.prod(shape)
        extent = 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if count and extent != count:
            raise ValueError("a tensor of it is not dense")
        data = torch.frombuffer(bytearray(self._blob(*place)), dtype=kind) if count else None
        tensor = torch.empty_strided(shape, strides, dtype=kind)
        if data is not None:
            tensor.copy_(data.reshape(shape))
        return tensor.cuda() if device == self.device == "cuda" else tensor

    def _array(self, dtype: str, shape: list[int], order: Any, place: list[int]) -> NDArray[Any]:
        kind = np.dtype(dtype)
        if kind.hasobject:
            raise ValueError("an array of it holds objects")
        flat: NDArray[Any] = np.frombuffer(self._blob(*place), kind)
        return flat.reshape(shape, order=order).copy(order="K")

    def _objects(self, shape: list[int], items: list[Any]) -> NDArray[Any]:
        array = np.empty(len(items), dtype=object)
        for index, item in enumerate(items):
            array[index] = self.value(item)
        return array.reshape(shape)
