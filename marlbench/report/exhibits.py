"""What the page shows of numbers: figures, each with its table, and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from marlbench.report.svg import tag

__all__ = ["Exhibit", "Panel", "table"]

NUMBER = re.compile(r"[-+<\[ ]*\d")
"""How a cell begins that is a number, a bound or an interval."""


@dataclass(frozen=True)
class Panel:
    """One drawing of a figure and the numbers in it."""

    title: str
    summary: str
    """A sentence for those who do not see it."""
    drawing: str
    """What is inside of `<svg>`."""
    size: tuple[float, float]
    head: Sequence[str]
    """Heads of its table."""
    rows: Sequence[Sequence[str]]
    attributes: Mapping[str, object] = field(default_factory=dict)
    """Of `<svg>`: what scripts read."""

    def svg(self, name: str) -> str:
        """Give the drawing, its title and its sentence; `name` is its own on the page."""
        width, height = self.size
        said = tag("title", escape(self.title), id=f"{name}-t") + tag(
            "desc", escape(self.summary), id=f"{name}-d"
        )
        return tag(
            "svg",
            said + self.drawing,
            viewBox=f"0 0 {width:g} {height:g}",
            role="img",
            aria_labelledby=f"{name}-t {name}-d",
            **self.attributes,
        )


@dataclass(frozen=True)
class Exhibit:
    """A figure of several panels, its caption and its table."""

    name: str
    """Its `id` on the page."""
    title: str
    caption: str
    panels: Sequence[Panel]
    attributes: Mapping[str, object] = field(default_factory=dict)
    """Of `<figure>`: what scripts read."""

    def html(self) -> str:
        """Give the figure."""
        drawn = "".join(each.svg(f"{self.name}-{k}") for k, each in enumerate(self.panels))
        tables = "".join(
            table(each.head, each.rows, caption=each.title, kind="twin") for each in self.panels
        )
        twin = f"<details><summary>Table of this figure</summary>{tables}</details>"
        caption = tag("figcaption", f"<b>{escape(self.title)}.</b> {escape(self.caption)}")
        panels = tag("div", drawn, class_="panels")
        return tag("figure", panels + caption + twin, id=self.name, **self.attributes)


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", kind: str = "plain"
) -> str:
    """Give a table of texts; its first column are heads of rows. Closing tags are left out.

    Columns without a cell that begins like a number are of class `words`.
    """
    rows = list(rows)
    numeric = (any(NUMBER.match(row[k]) for row in rows) for k in range(len(head)))
    kinds = ["" if each else " class=words" for each in numeric]
    heads = "".join(
        f"<th scope=col{kind}>{escape(each)}" for kind, each in zip(kinds, head, strict=True)
    )
    body = "".join(
        f"<tr><th scope=row>{escape(first)}"
        + "".join(f"<td{kind}>{escape(each)}" for kind, each in zip(kinds[1:], rest, strict=True))
        for first, *rest in rows
    )
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    inner = f"{said}<thead><tr>{heads}</thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table class="{kind}">{inner}</table></div>'
