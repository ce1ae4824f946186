"""Follows a grid on a terminal: one line per run, redrawn in place."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from marlbench.grid.board import Board, Row, count, duration

__all__ = ["LiveView"]

REDRAW = 0.4
"""Seconds between two pictures."""
FRAME = 7
"""Lines of the picture that are not runs."""
NARROW = 100
"""Columns below which the bar is short and the rate is left out."""
WIDTHS = {"steps": 10, "steps/s": 7, "to go": 9, "return": 6, "win": 4}
"""Columns of numbers, wide enough that they do not dance."""
WIDE_ONLY = "steps/s"
SIGNS = {
    "running": ("●", "cyan"),
    "retrying": ("↻", "yellow"),
    "failed": ("✗", "red"),
    "done": ("✓", "green"),
    "waiting": ("·", "dim"),
}
"""States in the order in which they deserve a line, with sign and colour."""


class LiveView:
    """A context in which the grid is drawn; the picture is gone when it ends."""

    def __init__(self, board: Board, console: Console | None = None) -> None:
        self.board = board
        self.console = console or Console()
        self._live = Live(console=self.console, auto_refresh=False, transient=True)
        self._due = 0.0

    def __enter__(self) -> LiveView:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the picture away."""
        self._live.stop()

    def started(self, folder: Path, attempt: int) -> None:
        """Move the run to the running ones."""
        self.board.started(folder, attempt)

    def retrying(self, folder: Path, reason: str, seconds: float) -> None:
        """Show why the run waits."""
        self.board.retrying(folder, f"{reason}; again in {seconds:.0f} s")

    def finished(self, folder: Path, failure: str | None) -> None:
        """Move the run to the finished ones."""
        self.board.finished(folder, failure)

    def tick(self) -> None:
        """Draw, if it is time."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + REDRAW
            self.board.refresh()
            self._live.update(self.picture(), refresh=True)

    def picture(self) -> RenderableType:
        """Give heading, table of runs, and the failures."""
        shown = self._shown()
        parts: list[RenderableType] = [Text(), self._heading(), self._table(shown)]
        if hidden := len(self.board.rows) - len(shown):
            parts.append(Text(f"  and {hidden} more", style="dim"))
        return Group(*parts, *self._troubles(shown))

    def _heading(self) -> Text:
        board = self.board
        said = [f"{board.number('done')} of {len(board.rows)} runs done"]
        said += [f"{n} failed"] if (n := board.number("failed")) else []
        said += [f"{board.number('running')} of {board.slots} slots busy"]
        eta = board.eta()
        said += [f"{duration(eta)} to go" if eta is not None else "timing the first updates"]
        return Text(" · ".join(said), style="bold")

    def _shown(self) -> list[Row]:
        """Give the runs that fit, the most telling ones, in the order of the plan."""
        room = max(3, self.console.height - FRAME)
        rows = list(self.board.rows.values())
        ranks = list(SIGNS)
        telling = sorted(rows, key=lambda row: (ranks.index(row.state), -row.began))[:room]
        kept = {row.folder for row in telling}
        return [row for row in rows if row.folder in kept]

    def _table(self, rows: list[Row]) -> Table:
        wide = self.console.width >= NARROW
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", expand=False)
        table.add_column("")
        table.add_column("run", no_wrap=True, overflow="ellipsis")
        table.add_column("", width=24 if wide else 10)
        for title, width in WIDTHS.items():
            if wide or title != WIDE_ONLY:
                table.add_column(title, justify="right", no_wrap=True, min_width=width)
        for row in rows:
            table.add_row(*_cells(row, wide))
        return table

    def _troubles(self, rows: list[Row]) -> list[Text]:
        return [
            Text(f"{SIGNS[row.state][0]} {row.name}: {row.reason}", style=SIGNS[row.state][1])
            for row in rows
            if row.reason and row.state in ("failed", "retrying")
        ]


def _cells(row: Row, wide: bool) -> list[RenderableType]:
    sign, style = SIGNS[row.state]
    total = row.spec.run.steps
    rate = row.progress.get("steps_per_s") if row.state == "running" else None
    cells: list[RenderableType] = [
        Text(sign, style=style),
        Text(row.name, style="dim" if row.state == "waiting" else ""),
        ProgressBar(total=total, completed=row.steps, complete_style=style, finished_style=style),
        f"{count(row.steps)}/{count(total)}",
    ]
    cells += [count(rate) if rate else ""] if wide else []
    return [
        *cells,
        _time_to_go(row),
        *(_number(row.progress.get(key)) for key in ("return", "win")),
    ]


def _time_to_go(row: Row) -> str:
    if row.state == "running":
        return duration(row.eta) or str(row.progress.get("phase", "starting"))
    return f"took {duration(row.took)}" if row.state == "done" else row.state


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
