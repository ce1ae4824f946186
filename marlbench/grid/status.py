"""`marlbench status`: how every run below a results folder stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from marlbench.grid.board import count, duration
from marlbench.grid.launch import verdict
from marlbench.store import RunRecord, runs

__all__ = ["overview"]


def overview(results: Path) -> Iterator[str]:
    """Give a line per run and the totals."""
    if not results.is_dir():
        yield f"there is no folder {results}: marlbench run writes it, --results names another"
        return
    records = runs(results)
    if not records:
        yield f"no runs in {results} yet: marlbench run --help"
        return
    yield from (line(record) for record in records)
    totals = Counter(record.status for record in records)
    yield f"{len(records)} runs: " + ", ".join(f"{n} {status}" for status, n in totals.items())


def line(record: RunRecord) -> str:
    """Say how a run stands, a running one with its speed and time to go."""
    progress = record.progress or {}
    if record.status != "running":
        return verdict(record)
    rate, eta = progress.get("steps_per_s"), progress.get("eta_s")
    more = [f"{count(rate)}/s" if rate else "", f"{duration(eta)} to go" if eta else ""]
    return ", ".join([verdict(record), *filter(None, more)])
