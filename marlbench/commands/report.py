"""`marlbench report`: from a results folder to tables, figures and one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from marlbench.errors import UserError
from marlbench.host import Catalogue

__all__ = ["reported"]


def reported(
    catalogue: Catalogue, results: Path, out: Path | None, published: Sequence[str] = ()
) -> Iterator[str]:
    """Write the report, against what is `published`, and say where it is; raises UserError."""
    from marlbench.report import ReportError, against, write

    try:
        sections = [*against(published), *catalogue.report_sections]
        paths = write(results, out or results / "report", sections)
    except ReportError as error:
        raise UserError(str(error)) from error
    yield f"report: {paths.page}"
    yield from (f"  {file}" for file in paths.files)
