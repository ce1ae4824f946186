"""Replays are saved incrementally and come back whole."""

from __future__ import annotations

from pathlib import Path

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


def test_only_new_rows_are_written_also_after_a_resume(tmp_path: Path) -> None:
    document = Segments(tmp_path).save({"r": ring_with(4)}, 1)
    resumed = Segments(tmp_path)
    resumed.load(document)
    document = resumed.save({"r": ring_with(7)}, 2)
    spans = [(s["start"], s["end"]) for s in document["r"]["segments"]]
    assert spans == [(0, 4), (4, 7)]
    document = resumed.save({"r": ring_with(15)}, 3)
    assert [(s["start"], s["end"]) for s in document["r"]["segments"]] == [(4, 7), (7, 15)]


def test_a_ring_that_began_anew_is_written_whole(tmp_path: Path) -> None:
    segments = Segments(tmp_path)
    segments.save({"r": ring_with(8)}, 1)
    document = segments.save({"r": ring_with(2)}, 2)
    assert [(s["start"], s["end"]) for s in document["r"]["segments"]] == [(0, 2)]


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
