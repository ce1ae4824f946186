"""Follows a grid on a terminal: one line per run, redrawn in place."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from marlbench.grid import memory
from marlbench.grid.board import Board, Row, count, duration, score, stop_heard

__all__ = ["LiveView"]

REDRAW = 0.4
"""Seconds between two pictures, at least."""
SHARE = 0.01
"""Of a core that pictures may take: those of many runs come less often."""
FRAME = 5
"""Lines of the picture that are neither runs nor their troubles."""
TROUBLES = 4
"""Failures that are told below the table."""
WIDE = 100
"""Columns from which there is room for a longer bar and the rate."""
NUMBERS = {"steps": 10, "steps/s": 7, "to go": 11, "score": 15}
"""Columns of numbers and their widths, fixed so that they do not dance."""
WIDE_ONLY = "steps/s"
BAR, WIDE_BAR = 10, 24
GIVE_WAY = ("bar", "score", "steps")
"""Columns that a narrow terminal does without, one after the other: the names are more."""
LABEL = 24
"""Characters of the longest label for which columns give way."""
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

    def stopping(self, workers: int, seconds: float) -> None:
        """Say above the picture that the request to stop was heard."""
        self.console.print(stop_heard(workers, seconds))

    def tick(self) -> None:
        """Draw, if it is time."""
        if time.monotonic() >= self._due:
            began = time.process_time()
            self.board.refresh()
            self._live.update(self.picture(), refresh=True)
            spent = time.process_time() - began
            self._due = time.monotonic() + max(REDRAW, spent / SHARE)

    def picture(self) -> RenderableType:
        """Give heading, table of runs, what memory they take, and the failures."""
        below = [*self._memory(), *self._troubles()]
        shown = self._shown(max(1, self.console.height - FRAME - len(below)))
        parts: list[RenderableType] = [Text(), self._heading(), self._table(shown)]
        if hidden := len(self.board.rows) - len(shown):
            parts.append(Text(f"  and {hidden} more", style="dim"))
        return Group(*parts, *below)

    def _heading(self) -> Text:
        board = self.board
        said = [f"{board.number('done')} of {len(board.rows)} runs done"]
        said += [f"{n} failed"] if (n := board.number("failed")) else []
        said += [f"{board.number('running')} of {board.slots} slots busy"]
        eta = board.eta()
        said += [f"{duration(eta)} to go" if eta is not None else "timing the first updates"]
        return Text(" · ".join(said), style="bold", no_wrap=True, overflow="ellipsis")

    def _shown(self, room: int) -> list[Row]:
        """Give as many runs as there is room for, the most telling ones, in the plan's order."""
        rows = list(self.board.rows.values())
        ranks = list(SIGNS)
        telling = sorted(rows, key=lambda row: (ranks.index(row.state), -row.began))[:room]
        kept = {row.folder for row in telling}
        return [row for row in rows if row.folder in kept]

    def _table(self, rows: list[Row]) -> Table:
        label = max((len(row.spec.label) for row in rows), default=0)
        columns = columns_for(self.console.width, min(label, LABEL))
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
        for title, width in {"sign": 1, "run": None, **columns}.items():
            left = title in ("sign", "run", "bar")
            shown = "" if title in ("sign", "bar") else title
            table.add_column(shown, justify="left" if left else "right", no_wrap=True, width=width)
        room = self.console.width - taken_by(columns)
        for row in rows:
            table.add_row(*_cells(row, columns, room))
        return table

    def _memory(self) -> list[Text]:
        """Say how large the replays grow, unless they are small; if too large, what to do."""
        said = memory.together(self.board)
        if memory.too_large(self.board):
            return [_line(f"! {said}", "yellow"), _line(f"  {memory.REMEDY}", "yellow")]
        return [_line(f"  {said}", "dim")] if said else []

    def _troubles(self) -> list[Text]:
        """Give a line for each of the runs that failed or died last; the summary has them all."""
        rows = [row for row in self.board.rows.values() if row.state in ("retrying", "failed")]
        room = min(TROUBLES, self.console.height // 6)
        return [
            _line(f"{SIGNS[row.state][0]} {row.name}: {row.reason}", SIGNS[row.state][1])
            for row in sorted(rows, key=lambda row: -row.began)[:room]
        ]


def _line(text: str, style: str) -> Text:
    """Give a line that is cut where the terminal ends."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def columns_for(width: int, label: int) -> dict[str, int]:
    """Give the columns beside a run's name, with their widths, so that there is room for a label.

    >>> [*columns_for(120, 5)]
    ['seed', 'bar', 'steps', 'steps/s', 'to go', 'score']
    >>> [*columns_for(80, 5)], [*columns_for(40, 12)]
    (['seed', 'bar', 'steps', 'to go', 'score'], ['seed', 'to go'])
    """
    columns = {"seed": 4, "bar": WIDE_BAR if width >= WIDE else BAR, **NUMBERS}
    if width < WIDE:
        del columns[WIDE_ONLY]
    for title in GIVE_WAY:
        if width - taken_by(columns) < label:
            del columns[title]
    return columns


def taken_by(columns: Mapping[str, int]) -> int:
    """Give the columns of the terminal that are taken, by the sign of the state and gaps too."""
    return len(" ●") + 1 + sum(width + 1 for width in columns.values())


def _cells(row: Row, columns: Mapping[str, int], room: int) -> list[RenderableType]:
    """Give a run's line; `room` is how many columns its name may take."""
    sign, style = SIGNS[row.state]
    total = row.spec.run.steps
    rate = row.progress.get("steps_per_s") if row.state == "running" else None
    name = Text(shortened(row.spec.row, row.spec.label, room))
    name.style = "dim" if row.state == "waiting" else ""
    bar = ProgressBar(total=total, completed=row.steps, complete_style=style, finished_style=style)
    cells: dict[str, RenderableType] = {
        "seed": str(row.spec.seed),
        "bar": bar,
        "steps": f"{count(row.steps)}/{count(total)}",
        "steps/s": count(rate) if rate else "",
        "to go": _time_to_go(row),
        "score": score(dict(list(row.progress.get("scores", {}).items())[:1])),
    }
    return [Text(sign, style=style), name, *(cells[title] for title in columns)]


def shortened(task: str, label: str, room: int) -> str:
    """Give task and label in so many columns: the task gives way first, then the label's end.

    >>> shortened("rand_5v5", "dmawm", 20), shortened("rand_5v5", "dmawm", 10)
    ('rand_5v5 dmawm', 'ran… dmawm')
    >>> shortened("rand_5v5", "dmawm", 6), shortened("rand_5v5", "dmawm-quick", 8)
    ('dmawm', 'dmawm-q…')
    """
    left = room - len(label) - 1
    if len(task) <= left:
        return f"{task} {label}"
    if left > 1:
        return f"{task[: left - 1]}… {label}"
    return label if len(label) <= room else f"{label[: max(0, room - 1)]}…"


def _time_to_go(row: Row) -> str:
    if row.state == "running":
        return duration(row.eta) or str(row.progress.get("phase", "starting"))
    return row.state if row.took is None or row.state != "done" else f"took {duration(row.took)}"
