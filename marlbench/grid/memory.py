"""Says how much of this machine's memory runs will take: each alone, and all together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marlbench.grid.board import Board

__all__ = ["REMEDY", "beside", "of_run", "together", "too_large"]

WORTH_SAYING = 0.1
"""GiB from which a replay or environments are told; a worker takes twice as much before it has
any."""
REMEDY = "play fewer at a time (--workers) or set the algorithm's replay_gib lower"


def of_run(progress: Mapping[str, Any]) -> str:
    """Say what a run's replay and environments take, by its `progress.json`; not of small ones.

    >>> of_run({"replay_gib": 9.81, "copies_gib": 0.02})
    'replay grows to 9.8 GiB'
    >>> of_run({"replay_gib": 9.81, "copies_gib": 16.0})
    'replay grows to 9.8 GiB, environments take 16.0 GiB'
    >>> of_run({"replay_gib": 0.05}), of_run({})
    ('', '')
    """
    return _said(_given(progress, "replay_gib"), _given(progress, "copies_gib"), "replay grows")


def beside(free: float | None) -> str:
    """Say how many GiB were free before, if the system told.

    >>> beside(23.04), beside(None)
    (', 23.0 GiB of memory were free', '')
    """
    return "" if free is None else f", {free:.1f} GiB of memory were free"


def together(board: Board) -> str:
    """Say what replays and environments of all running runs take together; not of small ones."""
    replays = _needs(board, "replay_gib")
    whose = f"{len(replays)} replays grow" if len(replays) > 1 else "replay grows"
    said = _said(sum(replays), sum(_needs(board, "copies_gib")), whose)
    return said + beside(_free(board)) if said else ""


def too_large(board: Board) -> bool:
    """Tell whether the running runs will take more than was free before them.

    A worker itself refuses only a replay that does not fit alone.
    """
    total = sum(_needs(board, "replay_gib")) + sum(_needs(board, "copies_gib"))
    free = _free(board)
    return free is not None and total > free and total >= WORTH_SAYING


def _said(replay: float, copies: float, whose: str) -> str:
    parts = [f"{whose} to {replay:.1f} GiB"] if replay >= WORTH_SAYING else []
    parts += [f"environments take {copies:.1f} GiB"] if copies >= WORTH_SAYING else []
    return ", ".join(parts)


def _given(progress: Mapping[str, Any], key: str) -> float:
    """Give the GiB of one kind, 0 if a run's worker has not said."""
    return float(progress.get(key) or 0.0)


def _needs(board: Board, key: str) -> list[float]:
    """Give the GiB of one kind of every running run that has any."""
    running = (row.progress for row in board.rows.values() if row.state == "running")
    return [need for progress in running if (need := _given(progress, key))]


def _free(board: Board) -> float | None:
    """Give the most GiB that any worker found free: later ones find the memory of others taken."""
    found = (row.progress.get("free_gib") for row in board.rows.values())
    return max((free for free in found if free is not None), default=None)
