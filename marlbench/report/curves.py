"""The training curves: a panel per task, a line per label, a band of one standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from marlbench.report.caveats import by_task
from marlbench.report.scores import DDOF, Cell, Run, labels_of
from marlbench.report.sections import Material, Part

COLOURS = [seaborn.color_palette("colorblind")[k] for k in (0, 3, 2, 4, 1, 9, 7)]
"""Those of the colour-blind-safe palette that also differ in print."""
DASHES = ("-", "--", ":", "-.")
"""The second look of a label, once the colours are used up."""
FEW = 20
"""Thin lines of single seeds in one panel, at most: more is a hairball."""
BANDS = 8
"""Labels in one panel that still have bands."""
LEGEND = (
    "Mean over seeds of the greedy evaluations; the band is one standard deviation (divisor "
    f"n - {DDOF}; none where a panel has more than {BANDS} labels); thin lines are single seeds "
    f"(where a panel has at most {FEW})."
)
PARTIAL = (
    "Some seeds are not finished: a mean ends at the last evaluation that all its seeds have "
    "reached. A failed seed is drawn thin and dotted and is in no mean."
)


class Look(NamedTuple):
    """How a label is drawn, the same in every panel."""

    colour: tuple[float, float, float]
    dash: str


class Band(NamedTuple):
    """Over seeds, at the evaluations that all of them have reached: each (T,)."""

    steps: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]


def render(material: Material, out: Path) -> Part:
    """Write `curves.png` and `curves.pdf`."""
    if not any(drawn(cell) for cell in material.cells):
        return Part("No run has been evaluated yet.")
    figure, paths = draw(material.cells), (out / "curves.png", out / "curves.pdf")
    figure.savefig(paths[0], dpi=150)
    figure.savefig(paths[1], metadata={"CreationDate": None})
    footnote = f"{LEGEND} {PARTIAL}" if partial(material.cells) else LEGEND
    return Part(f"![Training curves](curves.png)\n\n{footnote}\n\nAlso as `curves.pdf`.", paths)


def partial(cells: Sequence[Cell]) -> bool:
    """Whether any seed that is shown or expected has not come to its end."""
    return any(not run.finished for cell in cells for run in cell.runs)


def drawn(cell: Cell) -> list[Run]:
    """The runs of a cell that have been evaluated."""
    return [run for run in cell.runs if len(run.curve(cell.metric).steps)]


def band(cell: Cell) -> Band | None:
    """Mean and std over the seeds that may count yet; None where they share no grid point."""
    runs = [r for r in drawn(cell) if r.record.status != "failed" and not r.biased]
    curves = [run.curve(cell.metric) for run in runs]
    if not curves:
        return None
    steps = sorted(set.intersection(*(set(curve.steps.tolist()) for curve in curves)))
    values = np.stack([c.values[np.isin(c.steps, steps)] for c in curves])  # (seeds, T)
    std = values.std(axis=0, ddof=DDOF) if len(curves) > DDOF else np.zeros(len(steps))
    return Band(np.array(steps, np.int64), values.mean(axis=0), std) if steps else None


def draw(cells: Sequence[Cell]) -> Figure:
    """All panels, and below them one legend."""
    panels = [(task, row) for task, row in by_task(cells) if any(map(drawn, row))]
    looks = looks_of(cells)
    across = panels_across(len(panels))
    down = ceil(len(panels) / across)
    texts, width = legend_texts(cells), max(3.2 * across, 4.8)  # inches
    columns = legend_columns(list(texts.values()), width)
    height = 2.5 * down + 0.25 + 0.2 * ceil(len(looks) / columns)
    with seaborn.axes_style("whitegrid", {"grid.color": ".92", "axes.edgecolor": ".3"}):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for axis, ((suite, task), row) in zip(axes, panels, strict=False):
            axis.set_title(f"{suite}/{task}", fontsize=9, parse_math=False)
            draw_panel(axis, row, looks)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
    add_legend(figure, looks, texts, columns)
    return figure


def panels_across(count: int) -> int:
    """Panels side by side, so that few places stay empty.

    >>> [panels_across(count) for count in (1, 3, 4, 5, 8, 10)]
    [1, 3, 2, 3, 4, 4]
    """
    return (
        (1, 2, 3, 2)[count - 1] if count <= 4 else min((4, 3), key=lambda across: -count % across)
    )


def looks_of(cells: Sequence[Cell]) -> dict[str, Look]:
    """A look per label: colours first, then the dashes too."""
    labels, count = labels_of(cells), len(COLOURS)
    return {
        label: Look(COLOURS[k % count], DASHES[k // count % len(DASHES)])
        for k, label in enumerate(labels)
    }


def draw_panel(axis: Axes, row: Sequence[Cell], looks: dict[str, Look]) -> None:
    """One task: axes, then the lines of each label."""
    thin = sum(len(drawn(cell)) for cell in row) <= FEW
    for cell in row:
        draw_seeds(axis, cell, looks[cell.label], thin)
        draw_mean(axis, cell, looks[cell.label], len(row) <= BANDS)
    axis.set_xlabel("environment steps", fontsize=8)
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.margins(x=0.02)
    axis.tick_params(labelsize=8)
    metric = row[0].metric
    if metric.unit == "%" and metric.bounds is not None:  # a share is seen against all of it
        axis.set_ylim(*(metric.scale * bound for bound in metric.bounds))
    axis.set_ylabel(metric.axis, fontsize=8)
    seaborn.despine(ax=axis)


def draw_seeds(axis: Axes, cell: Cell, look: Look, thin: bool) -> None:
    """The seeds of a label that failed, and if `thin` all others too."""
    for run in drawn(cell):
        failed = run.record.status == "failed"
        if failed or (thin and len(cell.runs) > 1):
            steps, values = run.curve(cell.metric)
            axis.plot(steps, values, ":" if failed else "-", c=look.colour, lw=0.6, alpha=0.45)


def draw_mean(axis: Axes, cell: Cell, look: Look, banded: bool) -> None:
    """Mean of a label and, if `banded`, its standard deviation."""
    middle = band(cell)
    if middle is None:
        return
    steps, mean, std = middle
    if banded:
        axis.fill_between(steps, mean - std, mean + std, color=look.colour, alpha=0.18, lw=0)
    mark = "o" if len(steps) == 1 else None  # a single point is no line
    axis.plot(steps, mean, look.dash, c=look.colour, lw=1.8, marker=mark, ms=4, clip_on=False)


def legend_texts(cells: Sequence[Cell]) -> dict[str, str]:
    """Each label with what its agents act on, and how many runs are finished if not all."""
    return {
        label: legend_text([c for c in cells if c.label == label]) for label in labels_of(cells)
    }


def legend_text(own: Sequence[Cell]) -> str:
    """The text of one label, from its cells on all tasks."""
    done = [run.finished for cell in own for run in cell.runs]
    said = [next((cell.execution for cell in own if cell.execution), "")]
    said += [] if all(done) else [f"{sum(done)}/{len(done)} runs finished"]
    bracket = "; ".join(filter(None, said))
    return f"{own[0].label} ({bracket})" if bracket else own[0].label


def legend_columns(texts: Sequence[str], width: float) -> int:
    """Legend entries side by side: as many as fit into so many inches, in rows of like length.

    >>> legend_columns(["qmix"] * 6, 12.8), legend_columns(["qmix-quick-suite.players=2"] * 2, 4.8)
    (6, 2)
    >>> legend_columns(["qmix-quick-suite.players=2 (decentralised)"] * 2, 4.8)
    1
    """
    longest = max(map(len, texts), default=0)
    fitting = max(1, int(width / (0.6 + 0.063 * longest)))  # a line's sign, then 8 point letters
    return ceil(len(texts) / ceil(len(texts) / fitting)) if texts else 1


def add_legend(figure: Figure, looks: dict[str, Look], texts: dict[str, str], columns: int) -> None:
    """One legend for all panels; texts are set afterwards, so that no letter has a meaning."""
    handles = [Line2D([], [], color=look.colour, ls=look.dash, lw=1.8) for look in looks.values()]
    legend = figure.legend(
        handles,
        [f"label {k}" for k in range(len(handles))],
        loc="outside lower center",
        ncols=columns,
        fontsize=8,
        frameon=False,
    )
    for entry, text in zip(legend.get_texts(), texts.values(), strict=True):
        entry.set_parse_math(False)
        entry.set_text(text)
