"""`marlbench report`: from results folders to tables, figures and one page."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from marlbench.commands.run import names
from marlbench.errors import UserError
from marlbench.host import Catalogue

if TYPE_CHECKING:
    from marlbench.report import Wanted

__all__ = ["read_filters", "read_names", "watch_report", "write_report"]

EVERY = 30
"""Seconds between two looks at a grid that is running."""


def write_report(  # noqa: PLR0913 - one parameter per option
    catalogue: Catalogue,
    results: Sequence[Path],
    out: Path | None,
    wanted: Wanted,
    published: Sequence[str] = (),
    export: Sequence[str] = (),
    refresh: int = 0,
) -> Iterator[str]:
    """Write the report, against what is `published`, and say where it is; raises UserError."""
    from marlbench.report import ReportError, against, exported, studied, write

    try:
        studies = studied(catalogue.studies.values())
        sections = [*studies, *against(published), *catalogue.report_sections, *exported(export)]
        place = out or results[0] / "report"
        paths = write(results, place, sections, wanted, refresh)
    except ReportError as error:
        raise UserError(str(error)) from error
    yield f"report: {paths.page}"
    yield from (f"  {file}" for file in (paths.markdown, *paths.files))


def watch_report(  # noqa: PLR0913 - one parameter per option
    catalogue: Catalogue,
    results: Sequence[Path],
    out: Path | None,
    wanted: Wanted,
    published: Sequence[str] = (),
    export: Sequence[str] = (),
) -> Iterator[str]:
    """Write the report again and again for as long as a run is running, then a last time."""
    from marlbench.store import runs

    def running() -> bool:
        return any(record.status == "running" for folder in results for record in runs(folder))

    while running():
        first, *_ = write_report(catalogue, results, out, wanted, published, export, EVERY)
        yield f"{first} (again in {EVERY} s; Ctrl-C ends)"
        time.sleep(EVERY)
    yield from write_report(catalogue, results, out, wanted, published, export)


def read_filters(
    only: Mapping[str, Sequence[str] | None],
    metric: str,
    called: Sequence[str],
    include_unfinished: bool,
) -> Wanted:
    """Give what options ask for: `only` holds what `--suite`, `--task`, ... name."""
    from marlbench.report import Wanted

    suites, tasks, algorithms, labels = (
        tuple(names(option, only[option] or []))
        for option in ("--suite", "--task", "--algo", "--label")
    )
    called_so = read_names(called)
    return Wanted(suites, tasks, algorithms, labels, metric, called_so, include_unfinished)


def read_names(given: Sequence[str]) -> Mapping[str, str]:
    """Give what the user calls labels, from `LABEL=TEXT`; a label may have `=` in it.

    >>> read_names(["mappo=MAPPO", "qmix-gamma=0.9=Ours"])
    {'mappo': 'MAPPO', 'qmix-gamma=0.9': 'Ours'}
    """
    pairs = {}
    for each in given:
        label, equals, text = each.rpartition("=")
        if not (equals and label and text):
            raise UserError(f"--name {each}: say LABEL=TEXT, such as mappo-quick=MAPPO")
        pairs[label] = text
    return pairs
