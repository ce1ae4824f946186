"""The training curves for a paper: a panel per task, 5.5 inches wide, as PNG, PDF and SVG."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from marlbench.report.bands import (
    ENDED,
    Band,
    band,
    drawn,
    horizon,
    pieces,
    span,
    spread_labels,
)
from marlbench.report.caveats import by_task
from marlbench.report.columns import columns, short
from marlbench.report.looks import DASHES, Look, looks_of
from marlbench.report.scores import Cell
from marlbench.report.sections import Material, Part
from marlbench.report.svg import shortened

WIDTH = 5.5
"""Inches: the text width of most conferences, so that letters are printed as large as they are."""
LETTERS = 7.5
"""Points."""
LONGEST = 20
"""Letters of a name at the end of a line: longer ones would leave the lines no room."""
MOST = 20
"""Panels of a figure."""
FEW = 20
"""Thin lines of single seeds in one panel, at most: more is a hairball."""
BANDS = 8
"""Labels in one panel that still have bands."""
MARKERS = {
    "circle": "o",
    "square": "s",
    "up": "^",
    "down": "v",
    "diamond": "D",
    "cross": "X",
    "plus": "P",
    "pentagon": "p",
    "left": "<",
    "right": ">",
}
LEGEND = (
    "Mean over seeds of the evaluations; the band is Student's 95 % interval of the mean, inside "
    "the bounds that the suite declares. Thin lines are single seeds."
)
CROWDED = (
    f"A panel with more than {BANDS} labels has no bands, one with more than {FEW} runs no thin "
    "lines."
)
PARTIAL = (
    "A mean is over the seeds that are there, and paler where they are fewer. A seed that failed "
    "or diverged is drawn thin and dotted and is in no mean."
)
LONGER = "A dashed level line is what a label that was trained for longer came to at its end."

Wanted = tuple[float, str, Look]
"""Height, text and look of a name at the end of a line."""


def render(material: Material, out: Path) -> Part:
    """Write `curves.png`, `curves.pdf` and `curves.svg`."""
    cells = material.cells
    if not any(drawn(cell) for cell in cells):
        return Part("No run has been evaluated yet.")
    rows = [row for _, row in by_task(cells)]
    if len(rows) > MOST:
        return Part(
            f"The page has the curves of all {len(rows)} tasks. A figure for a paper is drawn of "
            f"{MOST} at most: choose with `--suite` or `--task`."
        )
    paths = tuple(out / f"curves.{kind}" for kind in ("png", "pdf", "svg"))
    save(draw(cells, material.names), paths)
    said = {
        LEGEND: True,
        CROWDED: any(len(row) > BANDS or many(row) for row in rows),
        PARTIAL: any(not run.finished for cell in cells for run in cell.runs),
        LONGER: any(cell.steps > horizon(row) for row in rows for cell in row),
    }
    text = " ".join(sentence for sentence, holds in said.items() if holds)
    also = "Also as `curves.pdf` and `curves.svg`."
    return Part(f"![Training curves](curves.png)\n\n{text}\n\n{also}", paths)


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Write a figure, the same bytes for the same figure; letters of a SVG stay letters.

    By the canvases themselves: `savefig` draws everything twice.
    """
    fixed: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "marlbench"}
    with matplotlib.rc_context(fixed), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box is drawn in its place
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it is laid out now, once for all files
        for path in paths:
            WRITERS[path.suffix](figure, path)


def write_png(figure: Figure, path: Path) -> None:
    """Write dots, 300 an inch."""
    figure.set_dpi(300)
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib's writers have no types
    canvas.print_png(path)


def write_pdf(figure: Figure, path: Path) -> None:
    """Write a PDF without the time of day."""
    canvas: Any = FigureCanvasPdf(figure)  # matplotlib's writers have no types
    canvas.print_pdf(path, metadata={"CreationDate": None})


def write_svg(figure: Figure, path: Path) -> None:
    """Write a SVG without the time of day."""
    canvas: Any = FigureCanvasSVG(figure)  # matplotlib's writers have no types
    canvas.print_svg(path, metadata={"Date": None})


WRITERS = {".png": write_png, ".pdf": write_pdf, ".svg": write_svg}


def many(row: Sequence[Cell]) -> bool:
    """Whether a panel has more runs than are drawn as single lines."""
    return sum(len(drawn(cell)) for cell in row) > FEW


def draw(cells: Sequence[Cell], names: Mapping[str, str] | None = None) -> Figure:
    """All panels; the names of labels stand at the ends of their lines."""
    panels = [(task, row) for task, row in by_task(cells) if any(map(drawn, row))]
    said = {column.label: column.name for column in columns(cells, names)}
    looks, across = looks_of(cells), min(2, len(panels))
    down = ceil(len(panels) / across)
    most = max(len(row) for _, row in panels)
    height = max(1.9, 0.14 * most + 0.6)
    with style():
        figure = Figure(figsize=(WIDTH if across > 1 else 3.6, height * down), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for axis, ((suite, task), row) in zip(axes, panels, strict=False):
            title = (
                f"{suite}/{task}"  # y: where it stands; found out at every drawing it costs a third
            )
            axis.set_title(title, fontsize=LETTERS + 0.5, parse_math=False, y=1.0)
            draw_panel(axis, row, looks, said)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
    return figure


def style() -> Any:
    """The axes of every figure: white, a pale grid."""
    return seaborn.axes_style("whitegrid", {"grid.color": ".92", "axes.edgecolor": ".3"})


def draw_panel(
    axis: Axes, row: Sequence[Cell], looks: Mapping[str, Look], said: Mapping[str, str]
) -> None:
    """One task: axes, then the lines of each label and their names."""
    end, wanted = horizon(row), []
    for cell in row:
        look, name = looks[cell.label], said[cell.label]
        if cell.steps > end:
            wanted += draw_longer(axis, cell, look, name)
            continue
        draw_seeds(axis, cell, look, not many(row))
        middle = band(cell)
        if middle is not None:
            draw_mean(axis, middle, look, len(row) <= BANDS)
            wanted.append((float(middle.mean[-1]), name, look))
    dress(axis, row, end)
    draw_names(axis, wanted, end)


def dress(axis: Axes, row: Sequence[Cell], end: int) -> None:
    """Axes of a task: env steps, and its metric."""
    cell = row[0]
    axis.set_xlabel("environment steps", fontsize=LETTERS)
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.set_xlim(0, end)
    axis.tick_params(labelsize=LETTERS, pad=1)
    axis.set_ylabel(cell.metric.axis, fontsize=LETTERS)
    axis.set_ylim(*span(row))
    seaborn.despine(ax=axis)


def draw_seeds(axis: Axes, cell: Cell, look: Look, thin: bool) -> None:
    """The seeds of a label that broke, and if `thin` all others too."""
    for run in drawn(cell):
        broke = run.record.status in ENDED
        if broke or (thin and len(cell.runs) > 1):
            curve = run.curve(cell.metric)
            kind = ":" if broke else "-"
            axis.plot(curve.steps, curve.values, kind, c=look.colour, lw=0.5, alpha=0.4)


def draw_mean(axis: Axes, middle: Band, look: Look, banded: bool) -> None:
    """Mean of a label and, if `banded`, its interval; both paler where seeds are fewer."""
    every = max(1, len(middle.steps) // 5)
    face = look.colour if look.filled else "white"
    for part, share in pieces(middle.n):
        steps, mean = middle.steps[part], middle.mean[part]
        if banded:
            ends = middle.low[part], middle.high[part]
            axis.fill_between(steps, *ends, color=look.colour, alpha=0.15 * share, lw=0)
        dashes: dict[str, Any] = {"dashes": DASHES[look.dash]} if DASHES[look.dash] else {}
        axis.plot(
            steps,
            mean,
            c=look.colour,
            lw=1.3,
            alpha=share,
            marker=MARKERS[look.marker],
            markersize=3.2,
            markevery=np.flatnonzero(np.arange(len(middle.steps))[part] % every == 0).tolist(),
            markerfacecolor=face,
            clip_on=False,
            **dashes,
        )


def draw_longer(axis: Axes, cell: Cell, look: Look, name: str) -> list[Wanted]:
    """What a label came to that was trained for longer: a level line, as in Figure 2."""
    mean = cell.summary().mean
    if mean is None:
        return []
    axis.axhline(mean, c=look.colour, lw=1.0, ls=(0, (6, 3)))
    text = name if "steps" in name else f"{name}, {short(cell.steps)} steps"
    return [(mean, text, look)]


def draw_names(axis: Axes, wanted: Sequence[Wanted], end: float) -> None:
    """Names at the ends of lines, pushed apart until they can be read."""
    figure = axis.get_figure(root=True)
    assert figure is not None
    rows = max(1, round(len(figure.axes) / 2)) if len(figure.axes) > 1 else 1
    low, high = axis.get_ylim()
    tall = float(figure.get_figheight()) / rows - 0.55  # inches of the axis itself
    gap = (high - low) * (LETTERS + 1) / 72 / tall
    heights = spread_labels([height for height, _, _ in wanted], gap, low, high)
    names = [text for _, text, _ in wanted]
    for (height, text, look), at in zip(wanted, heights, strict=True):
        ends = [min(max(height, low), high), at]
        axis.plot([end, 1.03 * end], ends, c=look.colour, lw=0.4, clip_on=False)
        place: dict[str, Any] = {
            "fontsize": LETTERS,
            "color": look.colour,
            "va": "center",
            "parse_math": False,
        }
        axis.text(1.04 * end, at, shortened(text, LONGEST, names), **place)
    axis.set_xlim(0, end)
    axis.set_ylim(low, high)
