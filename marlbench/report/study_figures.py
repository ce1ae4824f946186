"""The section of a study: its figures on the page and for a paper, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.report.bands import spread_labels
from marlbench.report.exhibits import Exhibit, Panel
from marlbench.report.looks import DASHES, dark
from marlbench.report.sections import Material, Part, Section
from marlbench.report.studies import Chart, Line, charts
from marlbench.report.svg import Plane, area, fitted, line, mark, short, tag, text
from marlbench.studies import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["studied"]

WIDTH, HEIGHT = 460.0, 270.0
INCHES = 2.05
"""Height of a panel on paper."""
ASIDE = 0.012
"""Of the axis: how far lines of few places stand from each other."""


def studied(studies: Iterable[Study]) -> list[Section]:
    """Give a section for each study; it is empty while fewer than two variants are there."""
    return [Section(f"Study: {each.name}", partial(render, each)) for each in studies]


def render(study: Study, material: Material, out: Path) -> Part:
    """Write `study-NAME.png`, `.pdf` and `.svg`; give the figures and their tables."""
    drawn = list(charts(material.cells, study))
    if not drawn:
        return Part("")
    from marlbench.report.curves import save  # drawing libraries load only where they draw

    paths = tuple(out / f"study-{study.name}.{kind}" for kind in ("png", "pdf", "svg"))
    save(on_paper(drawn), paths)
    said = f"{study.summary[:1].upper()}{study.summary[1:]}."
    tables = [f"**{each.title}.** {each.said}\n\n{_markdown(each)}" for each in drawn]
    picture = (
        f"![{study.name}]({paths[0].name})\n\nAlso as `{paths[1].name}` and `{paths[2].name}`."
    )
    exhibits = [_exhibit(study, k, each) for k, each in enumerate(drawn)]
    page = f"<p>{escape(said)}</p>{_colours(study, drawn)}{''.join(e.html() for e in exhibits)}"
    return Part("\n\n".join([said, picture, *tables]), paths, page)


# ---------------------------------------------------------------------------------------- numbers


def _rows(chart: Chart) -> list[list[str]]:
    """A row for each place on the axis, a column for each line."""
    places = sorted({float(x) for each in chart.lines for x in each.x})
    return [[f"{x:g}", *(_said(each, x, chart.digits) for each in chart.lines)] for x in places]


def _said(line: Line, x: float, digits: int) -> str:
    (found,) = np.nonzero(line.x == x)
    if not len(found):
        return ""
    k = int(found[0])
    said = f"{line.mean[k]:z.{digits}f}"
    if line.low[k] < line.high[k]:
        said += f" [{line.low[k]:z.{digits}f}, {line.high[k]:z.{digits}f}]"
    return f"{said} n={line.n[k]}"


def _markdown(chart: Chart) -> str:
    """The last points, or all where the axis is a setting: a row for each line."""
    if not chart.along:
        rows = [[each.name, _said(each, float(each.x[-1]), chart.digits)] for each in chart.lines]
        head = [f"{chart.y} at the end", ""]
    else:
        head = [chart.x, *(each.name for each in chart.lines)]
        rows = _rows(chart)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


# ---------------------------------------------------------------------------------------- the page


def _class(study: Study, chart: int, k: int) -> str:
    return f"v-{study.name}-{chart}-{k}"


def _colours(study: Study, drawn: Sequence[Chart]) -> str:
    """The colours of its lines, for light and dark."""
    colours = {
        _class(study, at, k): each.look.colour
        for at, chart in enumerate(drawn)
        for k, each in enumerate(chart.lines)
    }
    light = "".join(f".{name}{{--c:{colour}}}" for name, colour in colours.items())
    night = "".join(f".{name}{{--c:{dark(colour)}}}" for name, colour in colours.items())
    return f"<style>{light}@media screen and (prefers-color-scheme:dark){{{night}}}</style>"


def _exhibit(study: Study, at: int, chart: Chart) -> Exhibit:
    ends = {each.name: f"{each.mean[-1]:z.{chart.digits}f}" for each in chart.lines}
    said = "; ".join(f"{name} {end}" for name, end in ends.items())
    panel = Panel(
        title=chart.title,
        summary=f"{chart.y} against {chart.x}. At the right end: {said}.",
        drawing=_drawing(study, at, chart),
        size=(WIDTH, HEIGHT),
        head=[chart.x, *(each.name for each in chart.lines)],
        rows=_rows(chart),
    )
    return Exhibit(f"study-{study.name}-{at}", chart.title, chart.said, [panel])


def _drawing(study: Study, at: int, chart: Chart) -> str:
    end = max(float(each.x.max()) for each in chart.lines)
    plane = Plane(58, WIDTH - 122, 24, HEIGHT - 38, (0.0, end), chart.span)
    wanted = [plane.at_y(float(each.mean[-1])) for each in chart.lines]
    heights = spread_labels(wanted, 13.0, plane.top, plane.bottom)
    names = [each.name for each in chart.lines]
    parts = [plane.axes(chart.x, chart.y), text(chart.title, plane.left, 13, class_="title")]
    for k, (each, height) in enumerate(zip(chart.lines, heights, strict=True)):
        aside = _aside(chart, k) if chart.along else None
        inner = _line(each, plane, aside) + _name(each, plane, height, names)
        parts.append(tag("g", inner, class_=f"label {_class(study, at, k)}"))
    return "".join(parts)


def _line(each: Line, plane: Plane, aside: float | None) -> str:
    """A line with its band, or, where places are few, with whiskers a little `aside`."""
    x, mean = (each.x + (aside or 0.0)).tolist(), each.mean.tolist()
    low, high = each.low.tolist(), each.high.tolist()
    inner = ""
    if aside is not None:
        for at, down, up in zip(x, low, high, strict=True):
            ends = f"M{short(plane.at_x(at))} {short(plane.at_y(down))}V{short(plane.at_y(up))}"
            inner += tag("path", d=ends, class_="whisker")
    elif (each.low < each.high).any():
        inner += tag("polygon", points=area(plane, x, low, high), class_="interval")
    inner += line(plane.points(x, mean), each.look, class_="mean")
    for k in range(0, len(x), 1 if aside is not None else max(1, len(x) // 5)):
        inner += mark(each.look, plane.at_x(x[k]), plane.at_y(mean[k]))
    return inner


def _name(each: Line, plane: Plane, height: float, among: Sequence[str]) -> str:
    """The name at the right edge and a thin line to it."""
    last = plane.at_x(float(each.x[-1])), plane.at_y(float(each.mean[-1]))
    path = f"M{short(last[0])} {short(last[1])}L{short(plane.right + 12)} {short(height)}"
    said = text(fitted(each.name, 108, among), plane.right + 14, height + 3.5, class_="name")
    return tag("path", d=path, class_="leader") + said


# ---------------------------------------------------------------------------------------- on paper


def on_paper(drawn: Sequence[Chart]) -> Figure:
    """All figures of a study beside each other, two in a row, 5.5 inches wide."""
    from matplotlib.figure import Figure

    from marlbench.report.curves import LETTERS, WIDTH, style

    across = min(2, len(drawn))
    down = -(-len(drawn) // across)
    with style():
        width = WIDTH if across > 1 else 3.6
        figure = Figure(figsize=(width, INCHES * down), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for k, (axis, chart) in enumerate(zip(axes, drawn, strict=False)):
            axis.set_title(f"({chr(97 + k)}) {chart.title}", fontsize=LETTERS + 0.5)
            _panel(axis, chart)
        for axis in axes[len(drawn) :]:
            axis.set_visible(False)
    return figure


def _panel(axis: Axes, chart: Chart) -> None:
    import seaborn
    from matplotlib.ticker import EngFormatter, MaxNLocator

    from marlbench.report.curves import LETTERS, draw_names

    for k, each in enumerate(chart.lines):
        _on_axis(axis, each, _aside(chart, k) if chart.along else None)
    axis.set_xlabel(chart.x if chart.along else "environment steps", fontsize=LETTERS)
    axis.set_ylabel(chart.y, fontsize=LETTERS)
    axis.set_ylim(*chart.span)
    axis.tick_params(labelsize=LETTERS, pad=1)
    ends = [(float(each.mean[-1]), each.name, each.look) for each in chart.lines]
    draw_names(axis, ends, max(float(each.x.max()) for each in chart.lines))
    if chart.along:
        axis.set_xticks(sorted({float(x) for each in chart.lines for x in each.x}))
    else:
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.xaxis.set_major_locator(MaxNLocator(4))
    seaborn.despine(ax=axis)


def _on_axis(axis: Axes, each: Line, aside: float | None) -> None:
    """A line with its band, or, where places are few, with whiskers a little `aside`."""
    from marlbench.report.curves import MARKERS

    if aside is None:
        axis.fill_between(each.x, each.low, each.high, color=each.look.colour, alpha=0.13, lw=0)
    else:
        places = each.x + aside
        axis.vlines(places, each.low, each.high, color=each.look.colour, lw=0.8, clip_on=False)
    dashes: dict[str, Any] = {"dashes": DASHES[each.look.dash]} if DASHES[each.look.dash] else {}
    axis.plot(
        each.x + (aside or 0.0),
        each.mean,
        c=each.look.colour,
        lw=1.3,
        marker=MARKERS[each.look.marker],
        markersize=3.2,
        markevery=1 if aside is not None else max(1, len(each.x) // 5),
        markerfacecolor=each.look.colour if each.look.filled else "white",
        clip_on=False,
        **dashes,
    )


def _aside(chart: Chart, k: int) -> float:
    """How far a line of few places stands aside, so that whiskers do not cover each other."""
    right = max(float(each.x.max()) for each in chart.lines)
    return ASIDE * right * (k - (len(chart.lines) - 1) / 2)
