"""How much memory a process holds, and all that it started: what the system's files say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["GIB", "descendants", "held_bytes", "more_than", "tree_bytes"]

GIB = 2**30
PROC = Path("/proc")
HELD = ("RssAnon:", "RssShmem:")
"""What is a process's own or shared with its children; files that are mapped are not counted."""
PARTS = ("Pss_Anon:", "Pss_Shmem:")
"""The same, of shared pages a process's part alone: dear to count, the system walks all pages."""


def held_bytes(pid: int) -> int | None:
    """Give the memory that a process holds; None where the system does not say, or it is gone."""
    return _sum(PROC / str(pid) / "status", HELD)


def tree_bytes(pid: int, held: Callable[[int], int | None] = held_bytes) -> int | None:
    """Give the memory of a process and its descendants, None if there is no such process.

    Pages that a child shares since it was forked are counted for both.
    """
    own = held(pid)
    if own is None:
        return None
    return own + sum(held(child) or 0 for child in descendants(pid))


def more_than(limit: float, pid: int) -> int | None:
    """Give the bytes of a process and its descendants if those are more; None: not that one knows.

    No page is counted twice where the system tells the parts of what is shared.
    """
    held = tree_bytes(pid)
    if held is not None and held > limit:
        held = tree_bytes(pid, _part_bytes)
    return held if held is not None and held > limit else None


def _part_bytes(pid: int) -> int | None:
    found = _sum(PROC / str(pid) / "smaps_rollup", PARTS)
    return held_bytes(pid) if found is None else found


def _sum(file: Path, names: tuple[str, ...]) -> int | None:
    """Add up the lines of these names (kB); None where there are none."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.startswith(names)]
    return sum(found) * 1024 if found else None


def descendants(pid: int) -> Iterator[int]:
    """Give the processes that a process started and that live, theirs too."""
    with suppress(OSError):
        for task in (PROC / str(pid) / "task").iterdir():
            with suppress(OSError):
                for child in map(int, (task / "children").read_text().split()):
                    yield child
                    yield from descendants(child)
