"""`marlbench status`: how every run below a results folder stands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from marlbench.config import SILENT_MINUTES
from marlbench.grid.board import count, duration, score
from marlbench.grid.memory import of_run
from marlbench.grid.selection import selected
from marlbench.grid.variants import meanings
from marlbench.store import RunRecord, runs
from marlbench.store.clock import silence

__all__ = ["as_json", "lines", "overview", "to_play_again", "totals"]

Wanted = Mapping[str, Sequence[str]]
"""Names of runs to show, by what they are of: `selection.KEYS`."""

WORTH_SAYING = 60.0
"""Seconds of silence from which it is told."""


def overview(results: Path, wanted: Wanted | None = None) -> Iterator[str]:
    """Give the runs that are wanted by suite, a line each, and the totals; raises UserError."""
    if not results.is_dir():
        yield f"there is no folder {results}: marlbench run makes it, --results names another"
        return
    found = runs(results)
    if not found:
        yield f"no runs in {results} yet: marlbench run --help"
        return
    records = selected(found, wanted or {})
    for suite, group in groupby(records, key=lambda record: record.spec.suite):
        yield suite
        yield from lines(list(group))
    yield from meanings(record.spec for record in records)
    yield totals(records)


def as_json(results: Path, wanted: Wanted | None = None) -> str:
    """Give the runs that are wanted as a JSON list, a document each; raises UserError."""
    found = selected(runs(results), wanted or {})
    return json.dumps([_document(record) for record in found], indent=2)


def _document(record: RunRecord) -> dict[str, Any]:
    """Give what a script may ask of a run; None for what is not known of it."""
    spec, progress = record.spec, record.progress or {}
    running = record.status == "running"
    newest = record.newest()
    return {
        "folder": str(record.folder),
        "suite": spec.suite,
        "task": spec.row,
        "label": spec.label,
        "algorithm": spec.algorithm,
        "seed": spec.seed,
        "status": record.status,
        "steps": spec.run.steps,
        "env_steps": spec.run.steps if record.status == "done" else progress.get("env_steps", 0),
        "seconds": record.seconds(),
        "seconds_to_go": progress.get("eta_s") if running else None,
        "steps_per_second": progress.get("steps_per_s") if running else None,
        "evaluated_at": newest["step"] if newest else None,
        "metrics": newest["metrics"] if newest else {},
        "reason": (record.failure or {}).get("reason"),
        "excluded": (record.excluded or {}).get("why"),
        "damages": record.damages(),
        "crashes": record.crashes().total(),
    }


def lines(records: Iterable[RunRecord]) -> Iterator[str]:
    """Give a line per run: its status, its name, and how far, how good or why not."""
    named = [(_name(record), record) for record in records]
    width = max((len(name) for name, _ in named), default=0)
    for name, record in named:
        yield f"  {record.status:<10} {name:<{width}}  {_standing(record)}".rstrip()


def totals(records: Iterable[RunRecord]) -> str:
    """Count the runs in each status."""
    numbers = Counter[str](record.status for record in records)
    total = numbers.total()
    counted = ", ".join(f"{number} {status}" for status, number in numbers.most_common())
    return f"{total} run{'s' if total != 1 else ''}: {counted}"


def to_play_again(record: RunRecord) -> int:
    """Give the env steps that a run has played since the checkpoint that it will go on from."""
    if record.status == "done":
        return 0
    places = [row for row in record.events() if row["event"] in ("checkpoint", "resumed")]
    saved = places[-1].get("env_steps", 0) if places else 0
    return max(0, (record.progress or {}).get("env_steps", 0) - saved)


def _gpu(progress: Mapping[str, Any]) -> str:
    """Say what a run has taken of its GPU, if it tells."""
    peak = progress.get("gpu_peak_gib")
    return f"took {peak:.1f} GiB of its GPU" if peak else ""


def _silence(progress: Mapping[str, Any]) -> str:
    """Say how long a worker on this machine has given no sign of life, and how long it may."""
    seconds = silence(progress) or 0.0
    if seconds < WORTH_SAYING:
        return ""
    limit = progress.get("silent_minutes") or SILENT_MINUTES
    return f"silent for {duration(seconds)} (its grid kills it after {duration(60 * limit)})"


def _name(record: RunRecord) -> str:
    return f"{record.spec.row} {record.spec.label} seed {record.spec.seed}"


def _standing(record: RunRecord) -> str:
    """Say how far a run is, how fast, how long to go, how good it was last, or why it failed."""
    progress, said = record.progress or {}, []
    if record.status in ("failed", "diverged"):
        reason = str((record.failure or {}).get("reason", "no reason was left"))
        said.append(" ".join(reason.split()))
    if record.status in ("running", "unfinished"):
        steps = progress.get("env_steps", 0)
        said.append(f"{count(steps)} of {count(record.spec.run.steps)} steps")
    if record.status == "running":
        rate, eta = progress.get("steps_per_s"), progress.get("eta_s")
        said += [f"{count(rate)}/s"] if rate else []
        said += [f"{duration(eta)} to go"] if eta is not None else []
        said += filter(None, [of_run(progress), _gpu(progress), _silence(progress)])
    if record.status == "done" and (spent := record.seconds()) is not None:
        said.append(f"took {duration(spent)}")
    if newest := record.newest():
        means = newest["metrics"]
        told = [metric for metric in record.metrics if means.get(metric.name) is not None]
        said.append(score({metric.name: metric.text(means[metric.name]) for metric in told}))
    if damages := record.damages():
        said.append(f"went on without {'; '.join(damages)}")
    if crashes := record.crashes().total():
        said.append(f"{crashes} crash{'es' if crashes > 1 else ''} of the environment")
    said += record.remarks()
    return ", ".join(said)
