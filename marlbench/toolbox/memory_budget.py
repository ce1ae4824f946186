"""How much of a replay fits into so much memory."""

from __future__ import annotations

import numpy as np

from marlbench.plugin import EnvSpec

__all__ = ["row_bytes", "rows_within", "step_fields"]

Fields = dict[str, tuple[tuple[int, ...], str]]
"""What a row holds: (shape, dtype) by name."""


def row_bytes(fields: Fields) -> int:
    """Give the bytes that a row of fields (shape, dtype) takes.

    >>> row_bytes({"obs": ((44, 44, 3), "uint8"), "reward": ((), "float32")})
    5812
    """
    return sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in fields.values())


def step_fields(spec: EnvSpec) -> Fields:
    """Give what every replay of single steps keeps of one: (shape, dtype) by name."""
    agents = (spec.num_agents,)
    return {
        "obs": ((*agents, *spec.obs_shape), spec.obs_dtype),
        "avail": ((*agents, spec.num_actions), "bool"),
        "action": (spec.action_shape, action_dtype(spec)),
        "reward": (agents, "float32"),
    }


def action_dtype(spec: EnvSpec) -> str:
    """Give the dtype that keeps actions: of discrete ones bytes, where they are few enough."""
    few = spec.actions == "discrete" and spec.num_actions <= 256
    return "uint8" if few else spec.action_dtype


def rows_within(gib: float, fields: Fields, wanted: int, least: int) -> int:
    """Give how many rows of fields (shape, dtype), at most `wanted`, fit; ValueError under `least`.

    >>> rows_within(1.0, {"obs": ((44, 44, 3), "uint8")}, wanted=1_000_000, least=1)
    184872
    """
    fitting = int(gib * 2**30 / row_bytes(fields))
    if fitting < least:
        raise ValueError(
            f"replay_gib={gib:g} holds {fitting} steps of this task, of which at least {least} are "
            "needed: raise replay_gib, or play fewer copies or shorter sequences"
        )
    return min(wanted, fitting)
