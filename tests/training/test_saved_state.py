"""A nested state comes back from its file exactly, and no file makes the reader run anything."""

from __future__ import annotations

import io
import json
import math
import pickle
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from marlbench.testing.sameness import difference
from marlbench.training import saved_state
from marlbench.training.saved_state import NotData


class Pair(NamedTuple):
    """Two things."""

    one: Any
    other: Any


@dataclass(frozen=True)
class Memory:
    """What acting might carry; building one by its class would be noticed."""

    h: torch.Tensor
    steps: list[int]
    built: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        """Run only where one is made anew."""
        BUILT.append(1)


BUILT: list[int] = []
CLASSES = saved_state.named(Pair, Memory)


def saved(state: Any) -> bytes:
    """The file of a state."""
    file = io.BytesIO()
    saved_state.write(file, state, CLASSES)
    return file.getvalue()


def back(content: bytes, classes: saved_state.Classes = CLASSES) -> Any:
    """What comes back of a file."""
    return saved_state.read(io.BytesIO(content), classes, "cpu")


def test_all_kinds_of_values_come_back_as_they_were() -> None:
    state = {
        "plain": [None, True, -3, 2**127, 0.1, -0.0, math.inf, "ä\n", b"\x00\xff"],
        3: (1, [2, ()], torch.Size([2, 3])),
        "tensors": [torch.tensor(x) for x in (1.5, [], [True], [1 + 2j])]
        + [torch.randn(2, 3).to(torch.bfloat16), torch.arange(6).reshape(2, 3).T],
        "arrays": [np.float32(1.5), np.array(["ab", "c"]), np.zeros((0, 3), np.int8)],
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "objects": np.array([[None, {"a": np.arange(2)}]], dtype=object),
        "records": Pair(Memory(torch.ones(2), [1]), OrderedDict(b=1, a=2)),
        "line": deque([1, 2], maxlen=5),
    }
    BUILT.clear()
    again = back(saved(state))
    assert not BUILT, "code of a class was run"
    assert difference(state["plain"], again["plain"]) is None
    assert again[3] == (1, [2, ()], (2, 3))
    assert difference(state["tensors"], again["tensors"]) is None
    assert [t.stride() for t in again["tensors"]] == [t.stride() for t in state["tensors"]]
    assert difference(state["arrays"], again["arrays"]) is None
    assert again["fortran"].flags.f_contiguous
    np.testing.assert_array_equal(again["fortran"], state["fortran"])
    assert again["objects"].shape == (1, 2)
    np.testing.assert_array_equal(again["objects"][0, 1]["a"], np.arange(2))
    assert isinstance(again["records"].one, Memory)
    assert difference(tuple(state["records"]), tuple(again["records"])) is None
    assert list(again["records"].other) == ["b", "a"]
    assert again["line"] == state["line"]
    assert again["line"].maxlen == 5
    again["tensors"][1 + 3] += 1  # what comes back can be written to
    again["fortran"] += 1


@pytest.mark.parametrize("value", [lambda: 0, object(), np.random.default_rng(0), io.BytesIO()])
def test_what_is_no_data_is_refused_by_its_place(value: object) -> None:
    with pytest.raises(NotData, match=r"state\.memory\.1 is a .*, which a checkpoint cannot hold"):
        saved({"memory": [0, value]})


def test_a_class_that_a_new_agent_does_not_show_is_refused_when_it_is_saved() -> None:
    with pytest.raises(NotData, match="which nobody could rebuild"):
        saved_state.write(io.BytesIO(), Pair(1, 2), {})


@pytest.mark.parametrize(
    "tree",
    [
        {"record": ["builtins.eval", {}]},
        {"record": ["os.system", {"command": "false"}]},
        {"record": ["tests.training.test_saved_state.Pair", {"one": 1}]},
        {"tensor": ["manual_seed", [1], [1], "cpu", [0, 0]]},
        {"tensor": ["float32", [1 << 40], [1], "cpu", [0, 4]]},
        {"tensor": ["float32", [2], [1 << 40], "cpu", [0, 8]]},
        {"tensor": ["float32", [4], [1], "cpu", [-8, 16]]},
        {"array": ["O", [1], "C", [0, 8]]},
        {"array": ["<f4", [3], "C", [0, 8]]},
        {"value": [1]},
        {"dict": [[1]]},
        {"a": 1, "b": 2},
        {},
    ],
)
def test_a_made_up_file_is_an_error_that_runs_nothing(tree: Any) -> None:
    with pytest.raises(ValueError, match=r"no saved state|it |tensor|array|unpack|shape|type"):
        back(json.dumps(tree).encode() + b"\n" + bytes(16))


class Shell:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return BUILT.append, (1,)


def test_a_pickle_is_no_saved_state() -> None:
    BUILT.clear()
    for content in (pickle.dumps(Shell()), b"", b"\n", b"null"[:2]):
        with pytest.raises(ValueError, match=r"."):
            back(content)
    assert not BUILT
