"""Figures with a row per label: results with every seed as a dot, and steps to a threshold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from marlbench.report.caveats import by_task
from marlbench.report.columns import columns, short
from marlbench.report.efficiency import area, to_thresholds
from marlbench.report.exhibits import Exhibit, Panel
from marlbench.report.looks import Look, looks_of
from marlbench.report.results_table import number_of, seeds_of
from marlbench.report.scores import Cell
from marlbench.report.statistics import FRACTIONS
from marlbench.report.svg import LETTER, Plane, fitted, mark, tag, text
from marlbench.report.svg import short as px

__all__ = ["efficiency", "forests"]

WIDTH, ROW, TOP, BOTTOM = 460.0, 22.0, 24.0, 38.0
NARROW, WIDEST, NUMBERS = 92.0, 180.0, 108.0
"""Pixels left of the plane, by the names that stand there, and right of it."""

Said = Mapping[str, tuple[str, str, Look]]
"""Per label its name, its CSS class and its look."""


def said_of(cells: Sequence[Cell], names: Mapping[str, str]) -> Said:
    """What figures need of every label."""
    looks = looks_of(cells)
    return {
        column.label: (column.name, f"l{k}", looks[column.label])
        for k, column in enumerate(columns(cells, names))
    }


def forests(cells: Sequence[Cell], names: Mapping[str, str]) -> Iterator[Exhibit]:
    """Give the forest plot of the results: a panel per task, a row per label."""
    said = said_of(cells, names)
    tasks = [(task, [c for c in row if c.counted]) for task, row in by_task(cells)]
    panels = [_forest(f"{s}/{t}", row, said) for (s, t), row in tasks if row]
    if panels:
        yield Exhibit(
            "forest",
            "Results",
            "Every dot is a finished seed; the marker is their mean and the line Student's 95 % "
            "interval, whose sd is at least the noise of the episodes, inside the declared bounds. "
            "Where all episodes got the best or the worst score, it is the bound that their "
            "number gives.",
            panels,
        )


def _names(row: Sequence[Cell], said: Said) -> float:
    """Pixels that the names of a panel get."""
    longest = max(len(said[cell.label][0]) for cell in row)
    return min(max(NARROW, LETTER * longest + 14), WIDEST)


def _forest(title: str, row: Sequence[Cell], said: Said) -> Panel:
    metric = row[0].metric
    height = TOP + ROW * len(row) + BOTTOM
    values = [float(v) for cell in row for v in cell.values()]
    ends = [e for c in row for e in (c.statistics.low, c.statistics.high) if e is not None]
    low, high = min(values + ends), max(values + ends)
    room, left = 0.05 * (high - low) or 1.0, _names(row, said)
    bounds = row[0].bounds if metric.unit == "%" else None
    plane = Plane(
        left, WIDTH - NUMBERS, TOP, height - BOTTOM, bounds or (low - room, high + room), (0, 1)
    )
    parts = [plane.axes(metric.axis), text(title, left, 13, class_="title")]
    rows = []
    for place, cell in enumerate(row):
        at = TOP + ROW * (place + 0.5)
        parts.append(_interval(cell, at, plane, said))
        rows.append(_numbers(cell, said))
    head = ["label", "mean (sd)", "95 % interval", "n", "seeds", "at the threshold", "each seed"]
    summary = f"{metric.axis} on {title}: " + "; ".join(f"{r[0]} {r[1]}" for r in rows) + "."
    return Panel(f"{title}: {metric.axis}", summary, "".join(parts), (WIDTH, height), head, rows)


def _interval(cell: Cell, at: float, plane: Plane, said: Said) -> str:
    """The row of a label: its name, interval, seeds, mean and number."""
    name, kind, look = said[cell.label]
    found = cell.statistics
    parts = [_name(cell, at, plane, said)]
    if found.low is not None and found.high is not None:
        path = f"M{px(plane.at_x(found.low))} {px(at)}H{px(plane.at_x(found.high))}"
        parts.append(tag("path", d=path, class_="whisker"))
    for value in cell.values():
        x = px(plane.at_x(float(value)))
        parts.append(tag("circle", cx=x, cy=px(at), r=2.6, class_="dot"))
    parts.append(mark(look, plane.at_x(found.mean or 0.0), at))
    parts.append(text(number_of(cell), plane.right + 8, at + 3.5, class_="number"))
    return tag("g", "".join(parts), class_=f"label {kind}", data_label=cell.label, data_name=name)


def _name(cell: Cell, at: float, plane: Plane, said: Said) -> str:
    """The name of a row, left of the plane."""
    among = [name for name, *_ in said.values()]
    short_name = fitted(said[cell.label][0], plane.left - 12, among)
    return text(short_name, plane.left - 8, at + 3.5, text_anchor="end", class_="name")


def _numbers(cell: Cell, said: Said) -> list[str]:
    found, digits = cell.statistics, cell.metric.digits
    ends = "—"
    if found.low is not None and found.high is not None:
        ends = f"[{found.low:z.{digits}f}, {found.high:z.{digits}f}]"
    each = ", ".join(f"{value:z.{digits}f}" for value in cell.values())
    above = found.seeds_above(digits) if cell.metric.higher_is_better else ""
    name = said[cell.label][0]
    return [name, number_of(cell), ends, str(found.n), seeds_of(cell), above or "—", each]


def efficiency(cells: Sequence[Cell], names: Mapping[str, str]) -> Iterator[Exhibit]:
    """Give bars of env steps to half of the way to the best score; its table has all thresholds."""
    said = said_of(cells, names)
    tasks = [(task, [c for c in row if to_thresholds(c)]) for task, row in by_task(cells)]
    panels = [_bars(f"{s}/{t}", row, said) for (s, t), row in tasks if row]
    if panels:
        shares = ", ".join(f"{part:.0%}" for part in FRACTIONS)
        yield Exhibit(
            "efficiency",
            "Sample efficiency",
            "Env steps to half of the way from the worst to the best declared score: the median "
            "over seeds of the first evaluation at or beyond it, dots are single seeds; “never”: "
            f"half of the seeds or more did not get there. The table has {shares} of the way and "
            "the area under the curve, its mean height.",
            panels,
        )


def _bars(title: str, row: Sequence[Cell], said: Said) -> Panel:
    height = TOP + ROW * len(row) + BOTTOM
    end = float(max(cell.steps for cell in row))
    left = _names(row, said)
    plane = Plane(left, WIDTH - NUMBERS, TOP, height - BOTTOM, (0.0, end), (0, 1))
    half = to_thresholds(row[0])[1].threshold
    goal = f"env steps to {half:.{row[0].metric.digits}f} {row[0].metric.heading}"
    parts = [plane.axes(goal), text(title, left, 13, class_="title")]
    for place, cell in enumerate(row):
        parts.append(_bar(cell, TOP + ROW * (place + 0.5), plane, said))
    rows = [_reached(cell, said) for cell in row]
    head = ["label", *(f"steps to {part:.0%}" for part in FRACTIONS), "area under the curve"]
    summary = f"{goal} on {title}: " + "; ".join(f"{r[0]} {r[2]}" for r in rows) + "."
    return Panel(f"{title}: {goal}", summary, "".join(parts), (WIDTH, height), head, rows)


def _bar(cell: Cell, at: float, plane: Plane, said: Said) -> str:
    name, kind, _ = said[cell.label]
    found = to_thresholds(cell)[1]
    parts = [_name(cell, at, plane, said)]
    took = "never" if found.median is None else short(found.median)
    if found.median is not None:
        width = max(plane.at_x(found.median) - plane.left, 1.0)
        place = {"x": px(plane.left), "y": px(at - 6)}
        parts.append(tag("rect", **place, width=px(width), height=12, class_="bar"))
    for step in found.steps:
        if step is not None:
            parts.append(tag("circle", cx=px(plane.at_x(step)), cy=px(at), r=2.6, class_="dot"))
    seeds = f"{took} ({found.reached}/{len(found.steps)})"
    parts.append(text(seeds, plane.right + 8, at + 3.5, class_="number"))
    return tag("g", "".join(parts), class_=f"label {kind}", data_label=cell.label, data_name=name)


def _reached(cell: Cell, said: Said) -> list[str]:
    height = area(cell)
    mean = "—" if height is None else f"{height:z.{cell.metric.digits}f}"
    return [said[cell.label][0], *(each.text() for each in to_thresholds(cell)), mean]
