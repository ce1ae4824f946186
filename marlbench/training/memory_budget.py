"""Counts how much memory a run will take, before it plays: its replay, and its environments.

numpy takes memory only as it is written to. So a replay that does not fit would show hours later,
when the system kills the run. Games are launched as they are first played.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from marlbench.plugin import Agent, Algorithm, EnvSpec, ReplayBuffer
from marlbench.process_memory import GIB, held_bytes, tree_bytes
from marlbench.training.replay_segments import take_buffers

REMEDY = "set the algorithm's replay_gib lower"
MEMINFO = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")
"""Where Linux says how much of the memory a container may use."""
SCALARS = 16
"""Bytes of what a replay may keep of an agent and step besides the arrays that are counted."""


def build_agent(entry: Algorithm, config: Any, spec: EnvSpec, seed: int, device: str) -> Agent:
    """Build a learner; ValueError if the system does not even reserve what it asks for."""
    try:
        return entry.build(config, spec, seed, device)
    except MemoryError as error:
        raise ValueError(f"{error}: {REMEDY}") from error


def plan(
    state: Mapping[str, Any], spec: EnvSpec, steps: int, free: int | None
) -> dict[str, float | None]:
    """Give how many GiB a learner's replay takes after so many env steps, and how many are free.

    `free` are bytes that were free before the run began. Raises ValueError if it takes more.
    """
    need = replay_bytes(state, spec, steps) / GIB
    room = None if free is None else free / GIB
    if room is not None and need > room:
        raise ValueError(
            f"the replay grows to {need:.1f} GiB and {room:.1f} GiB of memory are free: {REMEDY}"
        )
    if room is not None and need + (grown := growth_bytes(state) / GIB) > room:
        raise ValueError(
            f"learning takes {grown:.1f} GiB for gradients and moments, the replay {need:.1f}, and "
            f"{room:.1f} GiB of memory are free: the task's {spec.num_agents} agents, "
            f"{spec.num_actions} actions or its observations make the networks too large"
        )
    return {"replay_gib": round(need, 3), "free_gib": None if room is None else round(room, 3)}


def replay_bytes(state: Mapping[str, Any], spec: EnvSpec, steps: int) -> int:
    """Give the bytes that a replay takes: all it reserves, or what so many env steps write.

    Every env step is kept once. An eighth more is for the one or two further steps that an episode
    keeps, and is enough for episodes of sixteen steps or more.
    """
    buffers: dict[str, ReplayBuffer] = {}
    take_buffers(state, buffers)
    reserved = sum(array.nbytes for buffer in buffers.values() for array in buffer.arrays.values())
    seen = int(np.prod(spec.obs_shape)) * np.dtype(spec.obs_dtype).itemsize
    said = 4 * spec.num_actions if spec.actions == "box" else 0
    kept = spec.num_agents * (seen + spec.num_actions + said + SCALARS)
    kept += 4 * int(np.prod(spec.state_shape or 0))
    return min(reserved, steps * kept * 9 // 8)


def growth_bytes(state: Mapping[str, Any]) -> int:
    """Give the bytes that a learner takes once it learns: a gradient and two moments a number.

    Of all that its state holds besides the replay, so rather more than less.
    """
    rest = take_buffers(state, {})
    return 3 * sum(_tensor_bytes(each) for each in rest.values())


def _tensor_bytes(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_tensor_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_tensor_bytes, value))
    return int(value.nbytes) if getattr(value, "is_cpu", False) else 0


def free_bytes() -> int | None:
    """Give the memory that this machine could still give out, None where it does not say."""
    said = [free for free in (free_of_machine(), free_of_container()) if free is not None]
    return min(said, default=None)


def free_of_machine() -> int | None:
    """Give what the system holds for available; None where it does not say."""
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def free_of_container() -> int | None:
    """Give what a container's limit leaves, counting cached files as free; None: no limit."""
    try:
        limit = int((GROUP / "memory.max").read_text())  # `max`: none
        used = int((GROUP / "memory.current").read_text())
        lines = (GROUP / "memory.stat").read_text().splitlines()
        files = int(dict(line.split() for line in lines)["inactive_file"])
    except (OSError, KeyError, ValueError):
        return None
    return max(0, limit - used + files)


class CopiesMemory:
    """Estimates what all copies of a run's environment take, from what the first ones do.

    Those within this process are weighed as they are built, and games in processes of their own
    once they are launched. What a simulator in this process takes only later is not seen.
    """

    def __init__(self) -> None:
        """Weigh nothing yet."""
        self._each = 0.0
        """Bytes of a copy within this process: the most that any were seen to take."""

    @contextmanager
    def built(self, copies: int) -> Iterator[None]:
        """Weigh so many copies, which are built inside."""
        before = held_bytes(os.getpid()) or 0
        yield
        grown = (held_bytes(os.getpid()) or 0) - before
        self._each = max(self._each, grown / copies)

    def gib(self, copies: int, launched: int) -> float:
        """Give the GiB of so many copies, of which `launched` play in whatever way they do."""
        pid = os.getpid()
        children = (tree_bytes(pid) or 0) - (held_bytes(pid) or 0)
        return copies * (self._each + max(0, children) / launched) / GIB
