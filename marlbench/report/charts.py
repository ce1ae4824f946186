"""The training curves of the page: a panel per task, for every metric, by env steps and by time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from marlbench.metrics import Metric
from marlbench.report.bands import ENDED, Band, band, drawn, horizon, pieces, span, spread_labels
from marlbench.report.caveats import by_task
from marlbench.report.columns import columns
from marlbench.report.exhibits import Exhibit, Panel
from marlbench.report.looks import Look, looks_of
from marlbench.report.machines import Crowd, crowd, shared, sharing
from marlbench.report.scores import Cell
from marlbench.report.svg import LETTER, Plane, area, fitted, line, mark, number, short, tag, text

__all__ = ["Across", "curves", "metrics_of"]

Across = Literal["steps", "clock"]
WIDTH, HEIGHT = 460.0, 270.0
LEFT, TOP, BOTTOM = 58.0, 24.0, 38.0
WIDEST = 128.0
"""Pixels that names at the ends of lines get at most."""


@dataclass(frozen=True)
class Labelled:
    """What panels know of labels."""

    names: Mapping[str, str]
    looks: Mapping[str, Look]
    classes: Mapping[str, str]
    """The CSS class of a label's colour."""
    crowd: Mapping[Path, Crowd]
    """How many runs shared a machine and a GPU, by a run's folder."""

    def shared(self, cell: Cell) -> str:
        """Give what stands behind a label's name where times are shown."""
        return shared(self.crowd[run.record.folder] for run in cell.runs)


def curves(cells: Sequence[Cell], names: Mapping[str, str]) -> Iterator[Exhibit]:
    """Give a figure per metric and per kind of axis, the table's metric and env steps first."""
    said = {column.label: column.name for column in columns(cells, names)}
    classes = {label: f"l{k}" for k, label in enumerate(said)}
    labelled = Labelled(said, looks_of(cells), classes, crowd(cells))
    for place, metric in enumerate(metrics_of(cells)):
        across: tuple[Across, ...] = ("steps", "clock")
        for axis in across:
            panels = list(_panels(cells, metric if place else None, axis, labelled))
            if panels:
                yield Exhibit(
                    f"curves-{axis}-{place}",
                    f"{_headline(cells, metric, place)} against {AXES[axis]}",
                    CAPTIONS[axis] + (sharing(labelled.crowd.values()) if axis == "clock" else ""),
                    panels,
                    {"data-across": axis, "data-metric": metric.name if place else ""},
                )


AXES = {"steps": "env steps", "clock": "wall-clock of training"}
CAPTIONS = {
    "steps": (
        "Lines are means over seeds, with Student's 95 % interval inside the declared bounds, the "
        "standard deviation (thin, dotted) and every seed (thin). Where all episodes got the best "
        "or the worst score, the interval is the bound that their number gives. Paler: fewer seeds "
        "are there. A seed that failed or diverged is dotted and in no mean. A level line: trained "
        "for longer."
    ),
    "clock": (
        "The same evaluations, each at the mean time of training that its runs took to it; in "
        "runs of protocol 1 evaluations and start-up are in it. Times compare only where runs had "
        "the machine for themselves."
    ),
}


def metrics_of(cells: Sequence[Cell]) -> list[Metric]:
    """Give a metric of the table and then every other one, each name once."""
    found = {cells[0].metric.name: cells[0].metric}
    shown = {cell.metric.name for cell in cells}
    for cell in cells:
        for metric in cell.runs[0].record.metrics:
            if metric.name not in shown or len(shown) > 1:
                found.setdefault(metric.name, metric)
    return list(found.values())


def _headline(cells: Sequence[Cell], metric: Metric, place: int) -> str:
    headings = dict.fromkeys(cell.metric.axis for cell in cells)
    said = metric.axis if place else " or ".join(headings)
    return said[:1].upper() + said[1:]


def _panels(
    cells: Sequence[Cell], metric: Metric | None, axis: Across, labelled: Labelled
) -> Iterator[Panel]:
    """A panel per task that has the metric; None: the one that the table shows there."""
    for (suite, task), row in by_task(cells):
        declared = {each.name: each for cell in row for each in cell.runs[0].record.metrics}
        shown = row[0].metric if metric is None else declared.get(metric.name)
        if shown is not None and any(drawn(cell, shown) for cell in row):
            drawing = _Drawing(f"{suite}/{task}", row, shown, axis, labelled)
            if axis == "steps" or drawing.end:
                yield drawing.panel()


@dataclass(frozen=True)
class _Drawing:
    """One task by one metric and one kind of axis."""

    title: str
    row: Sequence[Cell]
    metric: Metric
    axis: Across
    labelled: Labelled

    @cached_property
    def bands(self) -> dict[str, Band]:
        found = {cell.label: band(cell, self.metric) for cell in self.row}
        return {label: each for label, each in found.items() if each is not None}

    @cached_property
    def end(self) -> float:
        """The right end of the axis; 0 where no time is known."""
        if self.axis == "steps":
            return float(horizon(self.row))
        ends = (float(np.nanmax(b.seconds, initial=0.0)) for b in self.bands.values())
        return max(ends, default=0.0)

    @cached_property
    def plane(self) -> Plane:
        names = (self.labelled.names[cell.label] + self.behind(cell) for cell in self.row)
        longest = max(map(len, names)) * LETTER + 22
        bottom = max(HEIGHT, 13.0 * len(self.row) + TOP + BOTTOM) - BOTTOM
        high = span(self.row, self.metric)
        return Plane(LEFT, WIDTH - min(longest, WIDEST), TOP, bottom, (0.0, self.end), high)

    @cached_property
    def heights(self) -> dict[str, float]:
        """Where the name of each label stands, in pixels: at its line's end, pushed apart."""
        longer = {c.label: c.summary(self.metric).mean for c in self.row if self.is_longer(c)}
        ends = {label: float(b.mean[-1]) for label, b in self.bands.items() if label not in longer}
        ends |= {label: end for label, end in longer.items() if end is not None}
        known = {label: self.plane.at_y(end) for label, end in ends.items()}
        apart = spread_labels(list(known.values()), 13.0, self.plane.top, self.plane.bottom)
        return dict(zip(known, apart, strict=True))

    def is_longer(self, cell: Cell) -> bool:
        """Whether a label was trained for longer than the axis of env steps shows."""
        return self.axis == "steps" and cell.steps > self.end

    def panel(self) -> Panel:
        """Give the drawing with its table."""
        plane, axis = self.plane, AXES[self.axis]
        named = axis + (" (s)" if self.axis == "clock" else "")
        drawn_parts = [plane.axes(named, self.metric.axis)]
        drawn_parts.append(text(self.title, LEFT, 13, class_="title"))
        drawn_parts += [self.label(cell) for cell in self.row]
        ends = [
            f"{self.labelled.names[label]} {self.metric.text(b.mean[-1] / self.metric.scale)}"
            for label, b in self.bands.items()
        ]
        said = f"{self.metric.axis} against {axis} on {self.title}. At the end: {'; '.join(ends)}."
        edges = (plane.left, plane.right, plane.top, plane.bottom, *plane.x)
        return Panel(
            title=f"{self.title}: {self.metric.axis} against {axis}",
            summary=said,
            drawing="".join(drawn_parts),
            size=(WIDTH, plane.bottom + BOTTOM),
            head=["env steps", *(self.labelled.names[label] for label in self.bands)],
            rows=self.rows(),
            attributes={
                "class_": "curves",
                "data-plane": ",".join(f"{each:g}" for each in edges),
                "data-digits": self.metric.digits,
            },
        )

    def label(self, cell: Cell) -> str:
        """The group of a label: band, deviation, seeds, mean, markers and its name."""
        middle, data = self.bands.get(cell.label), None
        if self.is_longer(cell):
            parts = list(self.level(cell))
        else:
            parts = list(self.seeds(cell))
            if middle is not None:
                parts += self.middle(middle, self.labelled.looks[cell.label])
                x = self.across(middle)
                data = ";".join(_point(middle, x, k) for k in range(len(x)))
        if cell.label in self.heights:
            parts.append(self.name(cell))
        return tag(
            "g",
            "".join(parts),
            class_=f"label {self.labelled.classes[cell.label]}",
            data_label=cell.label,
            data_name=self.labelled.names[cell.label],
            data_points=data,
        )

    def level(self, cell: Cell) -> Iterator[str]:
        """What a label came to that was trained for longer, as in the paper's Figure 2."""
        end = cell.summary(self.metric).mean
        if end is not None:
            points = self.plane.points(self.plane.x, (end, end))
            yield tag("polyline", points=points, class_="mean longer", stroke_dasharray="9 5")

    def name(self, cell: Cell) -> str:
        """The name of a label at the right edge, a thin line from the end of its curve to it."""
        plane, at, middle = self.plane, self.heights[cell.label], self.bands.get(cell.label)
        leader = ""
        if middle is not None and not self.is_longer(cell):
            x = float(self.across(middle)[-1])
            path = f"M{short(plane.at_x(x) if np.isfinite(x) else plane.right)} "
            path += (
                f"{short(plane.at_y(float(middle.mean[-1])))}L{short(plane.right + 12)} {short(at)}"
            )
            leader = tag("path", d=path, class_="leader")
        name, room = self.labelled.names[cell.label], WIDTH - plane.right - 14
        behind = self.behind(cell)
        if self.is_longer(cell) and "steps" not in name:
            name += f", {number(cell.steps)} steps"
        shown = fitted(name, room - LETTER * len(behind), self.labelled.names.values()) + behind
        said = f"<title>{escape(name)}</title>{escape(shown)}"
        place = {"x": short(plane.right + 14), "y": short(at + 3.5)}
        return leader + tag("text", said, class_="name", **place)

    def behind(self, cell: Cell) -> str:
        """Give the mark behind a label's name; empty where no times are shown, or none was."""
        return f" {self.labelled.shared(cell)}".rstrip() if self.axis == "clock" else ""

    def across(self, middle: Band) -> NDArray[np.float64]:
        """The points of a label's curve on the axis; NaN where a time is not known."""
        return middle.steps.astype(np.float64) if self.axis == "steps" else middle.seconds

    def seeds(self, cell: Cell) -> Iterator[str]:
        """The curves of single seeds; of those that broke, dotted."""
        for run in drawn(cell, self.metric):
            curve, broke = run.curve(self.metric), run.record.status in ENDED
            x = curve.steps.astype(np.float64) if self.axis == "steps" else curve.seconds
            if np.isfinite(x).all() and (broke or len(cell.runs) > 1):
                points = self.plane.points(x.tolist(), curve.values.tolist())
                yield tag("polyline", points=points, class_="seed broke" if broke else "seed")

    def middle(self, middle: Band, look: Look) -> Iterator[str]:
        """Band, deviation, mean and markers, paler where seeds are fewer."""
        plane, known = self.plane, np.isfinite(self.across(middle))
        at, n = self.across(middle)[known].tolist(), middle.n[known]
        mean, low, high, sd = (y[known] for y in (middle.mean, middle.low, middle.high, middle.sd))
        for part, share in pieces(n) if len(n) else ():
            shown = None if share == 1.0 else f"{share:.2f}"
            if n[part].max() > 1:
                points = area(plane, at[part], low[part].tolist(), high[part].tolist())
                yield tag("polygon", points=points, class_="interval", opacity=shown)
                for edge in (mean[part] - sd[part], mean[part] + sd[part]):
                    points = plane.points(at[part], edge.tolist())
                    yield tag("polyline", points=points, class_="sd")
            yield line(plane.points(at[part], mean[part].tolist()), look, share, class_="mean")
        for k in range(0, len(at), max(1, len(at) // 5)):
            yield mark(look, plane.at_x(at[k]), plane.at_y(float(mean[k])))

    def rows(self) -> list[list[str]]:
        """The panel as a table: a row per grid point, a column per label."""
        steps = sorted({step for each in self.bands.values() for step in each.steps.tolist()})
        return [
            [f"{step}", *(self.cell(each, step) for each in self.bands.values())] for step in steps
        ]

    def cell(self, middle: Band, step: int) -> str:
        """Mean, interval, seeds and, on an axis of time, seconds at a grid point."""
        (found,) = np.nonzero(middle.steps == step)
        if not len(found):
            return ""
        k, digits = int(found[0]), self.metric.digits
        said = f"{middle.mean[k]:z.{digits}f}"
        if middle.low[k] < middle.high[k]:
            said += f" [{middle.low[k]:z.{digits}f}, {middle.high[k]:z.{digits}f}]"
        said += f" n={middle.n[k]}"
        return f"{said} at {middle.seconds[k]:.0f} s" if self.axis == "clock" else said


def _point(middle: Band, x: NDArray[np.float64], k: int) -> str:
    """What is said of one point: x, mean, low, high, n."""
    y = (float(x[k]), middle.mean[k], middle.low[k], middle.high[k])
    return ",".join([*(f"{each:.5g}" for each in y), str(middle.n[k])])
