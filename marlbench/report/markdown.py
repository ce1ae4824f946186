"""Sections of Markdown on the page: the little of it that reports are written in, as HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby

__all__ = ["as_html"]

SIGN = "\\\\([\\\\|*_`<>\\[\\]#$])"
"""A sign that is meant literally."""


def as_html(text: str) -> str:
    """Give headings, tables, lists and paragraphs; what is none of them stays as it is.

    >>> as_html("A **b** `c<d`.")
    '<p>A <b>b</b> <code>c&lt;d</code>.</p>'
    """
    return "".join(_blocks(text.splitlines()))


def _blocks(lines: list[str]) -> Iterator[str]:
    for kind, group in groupby(lines, _kind):
        block = list(group)
        if kind == "table":
            yield from _table(block)
        elif kind == "list":
            yield "<ul>" + "".join(f"<li>{_inline(line[2:])}" for line in block) + "</ul>"
        elif kind == "heading":
            yield from (f"<h3>{_inline(line.lstrip('# '))}</h3>" for line in block)
        elif kind == "text":
            yield f"<p>{_inline(' '.join(block))}</p>"


def _kind(line: str) -> str:
    if line.startswith("|"):
        return "table"
    if line.startswith("- "):
        return "list"
    if line.startswith("#"):
        return "heading"
    return "text" if line.strip() else ""


def _table(lines: list[str]) -> Iterator[str]:
    rows = [_cells(line) for line in lines]
    body = [row for row in rows if not all(re.fullmatch(r":?-+:?", each) for each in row)]
    yield '<div class="wide"><table class="plain said"><thead><tr>'
    yield "".join(f"<th scope=col>{_inline(each)}" for each in body[0]) + "</thead><tbody>"
    for first, *rest in body[1:]:
        yield f"<tr><th scope=row>{_inline(first)}"
        yield "".join(f"<td>{_inline(each)}" for each in rest)
    yield "</tbody></table></div>"


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [each.strip() for each in re.split(r"(?<!\\)\|", inner)]


def _inline(text: str) -> str:
    r"""Bold, code and literal signs of a line.

    >>> _inline(r"a\_b [x](y.md)")
    'a_b <a href="y.md">x</a>'
    """
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(escape(found[1]))
        return f"\0{len(kept) - 1}\0"

    text = escape(re.sub(SIGN, keep, text), quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
    text = re.sub(r"!?\[([^\]]*)\]\(([^)\s]+)\)", r'<a href="\2">\1</a>', text)
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text)
