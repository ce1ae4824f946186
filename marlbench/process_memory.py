"""How much memory a process holds, and all that it started: what the system's files say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["GIB", "descendants", "held_bytes", "tree_bytes"]

GIB = 2**30
PROC = Path("/proc")
HELD = ("RssAnon:", "RssShmem:")
"""What is a process's own or shared with its children; files that are mapped are not counted."""


def held_bytes(pid: int) -> int | None:
    """Give the memory that a process holds; None where the system does not say, or it is gone."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return None
    held = [int(line.split()[1]) for line in lines if line.startswith(HELD)]
    return sum(held) * 1024 if held else None


def tree_bytes(pid: int) -> int | None:
    """Give the memory of a process and its descendants, None if there is no such process.

    Pages that a child shares since it was forked are counted for both.
    """
    own = held_bytes(pid)
    if own is None:
        return None
    return own + sum(held_bytes(child) or 0 for child in descendants(pid))


def descendants(pid: int) -> Iterator[int]:
    """Give the processes that a process started and that live, theirs too."""
    with suppress(OSError):
        for task in (PROC / str(pid) / "task").iterdir():
            with suppress(OSError):
                for child in map(int, (task / "children").read_text().split()):
                    yield child
                    yield from descendants(child)
