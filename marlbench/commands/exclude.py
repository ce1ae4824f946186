"""`marlbench exclude`: leaves a run out of every report, and says why wherever it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from marlbench.commands.watch import find_run
from marlbench.errors import UserError
from marlbench.store import exclude

__all__ = ["excluded"]


def excluded(run: str, results: Path, why: str, back: bool) -> Iterator[str]:
    """Exclude the run, or take it back, and say so; raises UserError without a reason."""
    folder = find_run(run, results)
    if back:
        exclude(folder, "")
        yield f"{folder} is in reports again"
    elif not why.strip():
        raise UserError("--why says nothing: an excluded run is shown with its reason")
    else:
        exclude(folder, why.strip())
        yield f"{folder} is left out of reports: {why.strip()} (--back takes it back)"
