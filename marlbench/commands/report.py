"""`marlbench report`: from a results folder to tables, figures and one page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from marlbench.host import Catalogue
from marlbench.mistakes import Mistake

__all__ = ["reported"]


def reported(catalogue: Catalogue, results: Path, out: Path | None) -> Iterator[str]:
    """Write the report and say where it is; raises Mistake."""
    from marlbench.report import ReportError, write

    try:
        paths = write(results, out or results / "report", catalogue.report_sections)
    except ReportError as error:
        raise Mistake(str(error)) from error
    yield f"report: {paths.page}"
    yield from (f"  {file}" for file in paths.files)
