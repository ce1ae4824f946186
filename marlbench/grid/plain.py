"""Follows a grid in plain lines, for pipes and log files."""

from __future__ import annotations

import time
from pathlib import Path

from marlbench.grid import memory
from marlbench.grid.board import Board, Row, count, duration, score, stop_heard
from marlbench.store.files import FULL

__all__ = ["PlainView"]


class PlainView:
    """A line when a run starts or ends, and one per running run every so often."""

    def __init__(self, board: Board, every: float = 20.0, look: float = 1.0) -> None:
        """Say every so many seconds how far runs are, and look so often at their files."""
        self.board = board
        self.every, self.look = every, look
        self._due = time.monotonic() + every
        self._next_look = 0.0
        self._told = False
        self._warned = False
        self._planned: set[Path] = set()
        """The runs whose replay was told."""

    def started(self, folder: Path, attempt: int) -> None:
        """Say that a run begins, or goes on where an earlier worker left it."""
        row = self.board.started(folder, attempt)
        again = f", attempt {attempt}" if attempt > 1 else ""
        at = f" at {count(row.steps)} of {count(row.spec.run.steps)} steps" if row.steps else ""
        self._say(row, f"{'goes on' if row.steps else 'starts'}{at}{again}")

    def retrying(self, folder: Path, reason: str, seconds: float) -> None:
        """Say that a worker died and when the next one begins."""
        self._say(self.board.retrying(folder, reason), f"{reason}; again in {seconds:.0f} s")

    def finished(self, folder: Path, failure: str | None) -> None:
        """Say how a run ended."""
        row = self.board.finished(folder, failure)
        took = f"done in {duration(row.took)}" if row.took is not None else "done"
        said = ", ".join(filter(None, [took, score(row.progress.get("scores", {}))]))
        self._say(row, f"failed: {failure}" if failure else said)

    def stopping(self, workers: int, seconds: float) -> None:
        """Say that the request to stop was heard."""
        tell(stop_heard(workers, seconds))

    def tick(self) -> None:
        """Say how far every running run is, if it is time."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + self.look
        self.board.refresh()
        self._tell_length()
        self._tell_memory()
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self.every
        for row in self.board.rows.values():
            if row.state == "running":
                self._say(row, pace(row))

    def _tell_length(self) -> None:
        """Say once how long all will take, as soon as a run has timed its first updates."""
        if not self._told and (eta := self.board.eta() or 0.0) >= 1.0:
            self._told = True
            tell(f"about {duration(eta)} to the end of all at this speed")

    def _tell_memory(self) -> None:
        """Say once per run how large its replay grows, and once if they do not fit together."""
        for row in self.board.rows.values():
            fresh = row.state == "running" and row.folder not in self._planned
            if fresh and (said := memory.of_run(row.progress)):
                self._planned.add(row.folder)
                self._say(row, said + memory.beside(row.progress.get("free_gib")))
        if not self._warned and memory.too_large(self.board):
            self._warned = True
            tell(f"WARNING: {memory.together(self.board)}: {memory.REMEDY}")

    def _say(self, row: Row, text: str) -> None:
        done = self.board.number("done") + self.board.number("failed")
        tell(f"[{done}/{len(self.board.rows)}] {row.name}: {text}")


def tell(line: str) -> None:
    """Print a line; on a full disk it is lost, and the grid plays on."""
    try:
        print(line, flush=True)
    except OSError as error:
        if error.errno not in FULL:
            raise


def pace(row: Row) -> str:
    """Say how far a running run is, how fast, how long to go, and how good it was last."""
    said = [f"{count(row.steps)} of {count(row.spec.run.steps)} steps"]
    if rate := row.progress.get("steps_per_s"):
        said.append(f"{count(rate)}/s")
    if row.eta is not None:
        said.append(f"{duration(row.eta)} to go")
    return ", ".join([*said, *filter(None, [score(row.progress.get("scores", {}))])])
