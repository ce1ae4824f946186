"""The report as one page: `report.html`, which asks no network for anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from marlbench.report.across import (
    HEAD,
    aggregate_rows,
    common,
    compared,
    profiles,
    why_no_interval,
)
from marlbench.report.charts import curves
from marlbench.report.columns import columns, kinds
from marlbench.report.exhibits import Exhibit, table
from marlbench.report.forest import efficiency, forests
from marlbench.report.latex import latex
from marlbench.report.looks import dark, looks_of
from marlbench.report.markdown import as_html
from marlbench.report.results_table import Entry, Table, notes, results_table
from marlbench.report.runs import runs_table
from marlbench.report.scores import by_label
from marlbench.report.sections import Material, Part
from marlbench.report.svg import tag
from marlbench.report.tables import csv_text
from marlbench.report.verdict import alarms, excluded_sentences, verdict

__all__ = ["webpage"]

HERE = Path(__file__).parent
LONG = 12
"""Sentences of the banner that are on the page at once; the others unfold."""


def webpage(
    material: Material, out: Path, others: Sequence[tuple[str, Part]], refresh: int = 0
) -> str:
    """Give the page; `others` are further sections, `refresh` the seconds until it loads itself."""
    cells = material.cells
    names = {column.label: column.name for column in columns(cells, material.names)}
    title = _title(material)
    said = verdict(cells, names)
    parts = [
        tag("header", tag("h1", escape(title)) + f'<p class="verdict">{escape(said)}</p>'),
        _banner(alarms(cells)),
        _aside(material),
        _figures("Results", forests(cells, material.names)),
        _aggregates(material, names),
        _figures("Curves", curves(cells, material.names)),
        _figures("Sample efficiency", efficiency(cells, material.names)),
        _table(material),
        *(_other(name, part) for name, part in others),
        tag("h2", "Runs") + runs_table(cells, names, out),
        tag("h2", "Method") + (HERE / "method.html").read_text(encoding="utf-8"),
    ]
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    script = (HERE / "report.js").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<link rel="icon" href="data:,">{again}'
        f"<title>{escape(title)}</title><style>{_style(material)}</style></head>\n<body>"
        + "\n".join(filter(None, parts))
        + f"\n<script>{script}</script></body></html>\n"
    )


def _title(material: Material) -> str:
    suites = dict.fromkeys(cell.suite for cell in material.cells)
    return f"marlbench report: {', '.join(suites)}"


def _style(material: Material) -> str:
    """The page's style with the colours of labels, for light and dark."""
    looks = looks_of(material.cells)
    colours = [looks[label].colour for label in by_label(material.cells)]
    light = "".join(f".l{k}{{--c:{colour}}}" for k, colour in enumerate(colours))
    night = "".join(f".l{k}{{--c:{dark(colour)}}}" for k, colour in enumerate(colours))
    style = (HERE / "report.css").read_text(encoding="utf-8")
    return f"{style}{light}@media screen and (prefers-color-scheme:dark){{{night}}}"


def _banner(sentences: Iterable[str]) -> str:
    """What stands against the numbers, in red; nothing where nothing does."""
    said = [f"<li>{escape(sentence)}" for sentence in sentences]
    if not said:
        return ""
    shown = f"<ul>{''.join(said[:LONG])}</ul>"
    if len(said) > LONG:
        rest = len(said) - LONG
        shown += f"<details><summary>{rest} more</summary><ul>{''.join(said[LONG:])}</ul></details>"
    return f'<div class="alarm" role="alert"><b>To be known before reading on</b>{shown}</div>'


def _aside(material: Material) -> str:
    """What was left out, by the reader's own choice."""
    said = [*material.left_out, *excluded_sentences(material.excluded)]
    return "".join(f'<p class="faint">{escape(sentence)}</p>' for sentence in said)


def _figures(heading: str, exhibits: Iterable[Exhibit]) -> str:
    drawn = "".join(each.html() for each in exhibits)
    return tag("h2", heading) + drawn if drawn else ""


def _aggregates(material: Material, names: dict[str, str]) -> str:
    """Aggregates over tasks, the profile, and comparisons in each task."""
    cells, scores = material.cells, common(material.cells)
    parts = []
    if len(scores.tasks) > 1 and scores.values:
        rows = list(aggregate_rows(scores, names))
        parts.append(table(HEAD, rows, f"Aggregates over {len(scores.tasks)} tasks"))
        why = why_no_interval(scores)
        said = [*([f"No bootstrap intervals: {why}"] if why else []), *scores.left_out]
        parts += [f'<p class="faint">{escape(each)}.</p>' for each in said]
        parts += [each.html() for each in profiles(cells, scores, material.names)]
    if tests := list(compared(cells, names)):
        by_seeds = ("95 % interval, by seeds (Welch)", "p (Holm)", "")
        by_pairs = ("95 % interval, on the same start states (paired)", "p (Holm)", "")
        head = ("task", "difference", "mean", *by_seeds, *by_pairs)
        caption = "The best mean of each task against the others"
        parts.append(table(head, tests, caption, "plain comparisons"))
    return tag("h2", "Aggregates and comparisons") + "".join(parts) if parts else ""


def _table(material: Material) -> str:
    """The table of results, with what copies it."""
    shown = results_table(material.cells, material.names)
    said = "".join(f"<li>{escape(each)}" for each in (*shown.legend, *notes(material.cells)))
    copies = {
        "Copy as LaTeX": latex(shown, material.cells),
        "Copy as CSV": csv_text(material.cells, shown),
    }
    sources = "".join(
        f'<template data-copy="{name}">{escape(source)}</template>'
        for name, source in copies.items()
    )
    return f'<h2>Table</h2>{sources}{html(shown)}<ul class="faint">{said}</ul>'


def html(shown: Table) -> str:
    """The table of results as HTML: kinds above names, a group of rows per suite."""
    labelled = {column.label: f"l{k}" for k, column in enumerate(shown.columns)}
    above = "".join(
        f'<th class="kind" colspan={count} scope=colgroup>{escape(kind)}'
        for kind, count in kinds(shown.columns)
    )
    heads = "".join(
        f'<th scope=col class="{labelled[c.label]}" data-label="{escape(c.label)}" '
        f'title="{escape(c.label)}">{escape(c.name)}{c.mark}'
        for c in shown.columns
    )
    bodies = []
    for (suite, metric), rows in shown.blocks():
        wide = len(shown.columns) + 1
        lines = [f"<tr><th scope=rowgroup colspan={wide}>{escape(suite)}, {escape(metric)}"]
        for row in rows:
            cells = "".join(_entry(row.entries.get(c.label), c.label) for c in shown.columns)
            mark = " †" if row.mixed else ""
            lines.append(f"<tr><th scope=row>{escape(row.task)}{mark}{cells}")
        bodies.append(f"<tbody>{''.join(lines)}</tbody>")
    head = f"<thead><tr><td>{above}<tr><th scope=col>task{heads}</thead>"
    return f'<div class="wide"><table class="results">{head}{"".join(bodies)}</table></div>'


def _entry(entry: Entry | None, label: str) -> str:
    if entry is None:
        return f'<td data-label="{escape(label)}">'
    kind = ' class="best"' if entry.best else ""
    seeds = f"<small>{escape(entry.seeds)}</small>" if entry.seeds else ""
    return f'<td{kind} data-label="{escape(label)}">{escape(entry.number)}{seeds}'


def _other(name: str, part: Part) -> str:
    """A further section."""
    return tag("h2", escape(name)) + (part.page or as_html(part.markdown))
