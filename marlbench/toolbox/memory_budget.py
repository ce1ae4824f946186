"""How much of a replay fits into so much memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["rows_within"]


def rows_within(
    gib: float, fields: Mapping[str, tuple[tuple[int, ...], str]], wanted: int, least: int
) -> int:
    """Give how many rows of fields (shape, dtype), at most `wanted`, fit; ValueError under `least`.

    >>> rows_within(1.0, {"obs": ((44, 44, 3), "uint8")}, wanted=1_000_000, least=1)
    184872
    """
    row = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in fields.values())
    fitting = int(gib * 2**30 / row)
    if fitting < least:
        raise ValueError(
            f"replay_gib={gib:g} holds {fitting} steps of this task, of which at least {least} are "
            "needed: raise replay_gib, or play fewer copies or shorter sequences"
        )
    return min(wanted, fitting)
