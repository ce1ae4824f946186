"""Rows that fit into memory, by what numpy says that they take."""

from __future__ import annotations

import numpy as np
import pytest

from marlbench.toolbox.memory_budget import rows_within

FIELDS = {"obs": ((2, 5, 5, 3), "uint8"), "reward": ((2,), "float32"), "last": ((), "bool")}


@pytest.mark.parametrize("gib", [1e-5, 1e-4, 3e-4])
def test_as_many_rows_as_numpy_itself_could_hold(gib: float) -> None:
    rows = rows_within(gib, FIELDS, wanted=10**9, least=1)
    taken = [sum(np.zeros((n, *s), k).nbytes for s, k in FIELDS.values()) for n in (rows, rows + 1)]
    assert taken[0] <= gib * 2**30 < taken[1]


def test_no_more_than_wanted() -> None:
    assert rows_within(1.0, FIELDS, wanted=7, least=1) == 7


def test_too_little_room_is_said_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"replay_gib=1e-05 holds 67 steps .* at least 68"):
        rows_within(1e-5, FIELDS, wanted=100, least=68)
