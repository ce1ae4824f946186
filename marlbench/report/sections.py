"""What a report is made of: sections, ours and third parties' alike, each read from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marlbench.report.scores import Cell, Run


class ReportError(Exception):
    """A report that cannot be written; the message is one line with the remedy."""


@dataclass(frozen=True)
class Material:
    """What every section is given: the results folder, read."""

    results: Path
    cells: tuple[Cell, ...]
    """All runs of a label on a task, ordered by suite and task, then as tables order labels."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What the user calls some labels."""
    excluded: tuple[Run, ...] = ()
    """Runs that the user left out (`marlbench exclude`); they are in no cell."""
    left_out: tuple[str, ...] = ()
    """Sentences on what was not asked for."""


@dataclass(frozen=True)
class Part:
    """What a section gives: its text, and the files that it wrote. Without text it is left out."""

    markdown: str
    files: tuple[Path, ...] = ()
    page: str = ""
    """HTML that stands on the page in place of the text; it asks no network for anything."""


@dataclass(frozen=True)
class Section:
    """One part of a report, offered through the hook `marlbench_report_sections`."""

    name: str
    """Its heading on the page."""
    render: Callable[[Material, Path], Part]
    """`render(material, out)`: write files into the folder `out`, give the text."""


@dataclass(frozen=True)
class ReportPaths:
    """Where a report was written."""

    page: Path
    """The page to look at: `report.html`."""
    markdown: Path
    """Every section of it as Markdown: `report.md`."""
    files: tuple[Path, ...]
    """Tables and figures, in the order of the sections."""
