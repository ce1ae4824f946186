"""Says how much of this machine's memory replays will take: each alone, and all together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marlbench.grid.board import Board

__all__ = ["REMEDY", "beside", "of_run", "together", "too_large"]

WORTH_SAYING = 0.1
"""GiB from which a replay is told; a worker takes twice as much before it has any."""
REMEDY = "play fewer at a time (--workers) or set the algorithm's replay_gib lower"


def of_run(progress: Mapping[str, Any]) -> str:
    """Say how large a run's replay grows, by its `progress.json`; nothing for a small one.

    >>> of_run({"replay_gib": 9.81}), of_run({"replay_gib": 0.05}), of_run({})
    ('replay grows to 9.8 GiB', '', '')
    """
    need = _need(progress)
    return f"replay grows to {need:.1f} GiB" if need >= WORTH_SAYING else ""


def beside(free: float | None) -> str:
    """Say how many GiB were free before, if the system told.

    >>> beside(23.04), beside(None)
    (', 23.0 GiB of memory were free', '')
    """
    return "" if free is None else f", {free:.1f} GiB of memory were free"


def together(board: Board) -> str:
    """Say how large the replays of all running runs grow together; nothing for small ones."""
    needs = _needs(board)
    if sum(needs) < WORTH_SAYING:
        return ""
    whose = f"{len(needs)} replays grow" if len(needs) > 1 else "replay grows"
    return f"{whose} to {sum(needs):.1f} GiB{beside(_free(board))}"


def too_large(board: Board) -> bool:
    """Tell whether the replays of the running runs are more than was free before them.

    A worker itself refuses only a replay that does not fit alone.
    """
    free, total = _free(board), sum(_needs(board))
    return free is not None and total > free and total >= WORTH_SAYING


def _need(progress: Mapping[str, Any]) -> float:
    """Give the GiB to which a run's replay grows, 0 if its worker has not said."""
    return float(progress.get("replay_gib") or 0.0)


def _needs(board: Board) -> list[float]:
    """Give the GiB of every running run that has a replay."""
    running = (row.progress for row in board.rows.values() if row.state == "running")
    return [need for progress in running if (need := _need(progress))]


def _free(board: Board) -> float | None:
    """Give the most GiB that any worker found free: later ones find the replays of others."""
    found = (row.progress.get("free_gib") for row in board.rows.values())
    return max((free for free in found if free is not None), default=None)
