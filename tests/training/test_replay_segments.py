"""Replays are saved incrementally and come back whole."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench.plugin import ReplayBuffer
from marlbench.training.replay_segments import Damaged, Segments, put_buffers, take_buffers

CAPACITY = 10


def ring_with(written: int) -> ReplayBuffer:
    """A buffer whose row k is k in one array and (k, -k) in another; unwritten rows are zeros."""
    number, pair = np.zeros(CAPACITY, np.int64), np.zeros((CAPACITY, 2), np.float32)
    for k in range(written):
        number[k % CAPACITY], pair[k % CAPACITY] = k, (k, -k)
    return ReplayBuffer({"number": number, "pair": pair}, written)


@pytest.mark.parametrize(
    "history",
    [[0], [3], [3, 7], [3, 3], [8, 12], [4, 10], [5, 40], [3, 6, 9, 12, 15, 18], [10, 20, 25]],
)
def test_a_ring_comes_back_as_it_was(tmp_path: Path, history: list[int]) -> None:
    segments = Segments(tmp_path)
    for number, written in enumerate(history):
        document = segments.save({"r": ring_with(written)}, number)
    fresh = Segments(tmp_path)
    loaded, expected = fresh.load(document)["r"], ring_with(history[-1])
    assert loaded.written == expected.written
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(loaded.arrays[name], array)
        assert loaded.arrays[name].dtype == array.dtype


def spans(document: dict[str, Any]) -> list[tuple[int, int]]:
    """The rows that each segment of the buffer holds."""
    return [(s["start"], s["end"]) for s in document["r"]["segments"]]


def test_only_rows_that_are_new_since_the_save_before_the_last_are_written(tmp_path: Path) -> None:
    first = Segments(tmp_path).save({"r": ring_with(4)}, 1)
    resumed = Segments(tmp_path)
    resumed.load(first)
    assert spans(resumed.save({"r": ring_with(6)}, 2)) == [(0, 6)]  # a chain of its own
    assert spans(resumed.save({"r": ring_with(7)}, 3)) == [(0, 4), (4, 7)]
    assert spans(resumed.save({"r": ring_with(9)}, 4)) == [(0, 6), (6, 9)]
    assert spans(resumed.save({"r": ring_with(15)}, 5)) == [(4, 7), (7, 15)]


def test_two_saves_in_a_row_share_no_file(tmp_path: Path) -> None:
    segments = Segments(tmp_path)
    saves = [segments.save({"r": ring_with(2 * k)}, k) for k in range(1, 9)]
    names = [{s["file"] for s in each["r"]["segments"]} for each in saves]
    assert all(one.isdisjoint(next_one) for one, next_one in pairwise(names))


def test_a_ring_that_began_anew_is_written_whole(tmp_path: Path) -> None:
    segments = Segments(tmp_path)
    for number, written in enumerate((8, 8, 2), 1):
        document = segments.save({"r": ring_with(written)}, number)
    assert spans(document) == [(0, 2)]


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    document = Segments(tmp_path).save({"r": ring_with(4)}, 1)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match="checksum"):
        Segments(tmp_path).load(document)


def test_rings_are_found_in_nested_states_and_put_back() -> None:
    buffer, found = ring_with(1), dict[str, ReplayBuffer]()
    state = {"buffers": [buffer, {"inner": (buffer, 3)}], "weights": np.ones(2)}
    kept = take_buffers(state, found)
    assert list(found) == [".buffers.0", ".buffers.1.inner.0"]
    back = put_buffers(kept, found)
    assert back["buffers"][0] is buffer
    assert back["buffers"][1]["inner"] == (buffer, 3)
