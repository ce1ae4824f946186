"""The runs behind a report: what became of each, what it ran on, and how to make a cell again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from marlbench import labels
from marlbench.report.caveats import unfinished
from marlbench.report.exhibits import table
from marlbench.report.machines import Crowd, crowd, shared
from marlbench.report.scores import Cell, Run
from marlbench.report.svg import tag

__all__ = ["command", "runs_table"]

BY_NOBODY = ("default", "preset ")
"""How the origin of a value begins that the user did not set."""


def runs_table(cells: Sequence[Cell], names: Mapping[str, str], out: Path) -> str:
    """Give per cell the command and a table of its runs; links are relative to `out`."""
    parts, crowds = [], crowd(cells)
    for cell in cells:
        rows = [_row(run, cell, crowds[run.record.folder]) for run in cell.runs]
        head = (*("seed", "status", "value", "env steps", "time", "crashes"), *HEAD)
        title = f"{cell.suite}/{cell.task}: {names[cell.label]}"
        shown = table(head, rows, caption=f"Runs of {title}", kind="runs")
        files = " ".join(link for run in cell.runs for link in _files(run, out))
        said = tag("h3", f"{escape(title)} <code>{escape(cell.label)}</code>")
        said += f"<p>Again: <code>{escape(command(cell))}</code></p>"
        said += f"<p>Settings that the user set: {escape(_changed(cell))}.</p>{shown}"
        parts.append(tag("section", said + (f"<p>{files}</p>" if files else ""), class_="cell"))
    return "".join(parts)


HEAD = ("attempts", "commit", "versions", "machine")


def _row(run: Run, cell: Cell, beside: Crowd) -> list[str]:
    record = run.record
    value, made = run.value(cell.metric), record.provenance or {}
    status = record.status if run in cell.counted else unfinished(run)
    seconds = run.curve(cell.metric).seconds
    git = made.get("git") or {}
    commit = (
        f"{str(git.get('commit'))[:10]}{' (dirty)' if git.get('dirty') else ''}" if git else "—"
    )
    versions = ", ".join(f"{k} {v}" for k, v in (made.get("versions") or {}).items())
    machine = ", ".join(str(made[key]) for key in ("host", "device", "cpu") if key in made)
    return [
        str(run.seed),
        status,
        "—" if value is None else f"{value:z.{cell.metric.digits}f}",
        f"{run.evaluated} of {record.spec.run.steps}",
        f"{seconds[-1]:.0f} s {shared([beside])}".rstrip()
        if len(seconds) and seconds[-1] == seconds[-1]
        else "—",
        f"{run.cut} in training, {run.crashed} in evaluations",
        str(1 + len(made.get("earlier_attempts") or ())),
        commit,
        versions or "—",
        machine or "—",
    ]


def _files(run: Run, out: Path) -> Iterator[str]:
    """Links to a run's film and its newest picture, where there are any."""
    folder = run.record.folder
    pictures = sorted((folder / "pictures").glob("*.png"))[-1:]
    for path in (folder / "film.gif", *pictures):
        if path.exists():
            address = quote(Path(os.path.relpath(path.resolve(), out.resolve())).as_posix())
            yield tag("a", f"seed {run.seed}: {escape(path.name)}", href=address)


def _changed(cell: Cell) -> str:
    spec = cell.runs[0].record.spec
    found = {
        key: origin for key, origin in spec.origins.items() if not origin.startswith(BY_NOBODY)
    }
    return ", ".join(f"{key} = {_value(spec, key)}" for key in found) or "none"


def _value(spec: object, key: str) -> object:
    section, *path = key.split(".")
    found = getattr(spec, {"run": "run"}.get(section, f"{section}_config"))
    for name in path:
        found = found.get(name) if isinstance(found, dict) else getattr(found, name, None)
    return found


def command(cell: Cell) -> str:
    """Give the command that makes the runs of a cell again, into the same label.

    What the user set is said with `--set`, the name that they chose with `--label`; presets say
    the rest.
    """
    spec = cell.runs[0].record.spec
    parts = ["marlbench", "run", "--algo", spec.algorithm, "--suite", spec.suite]
    parts += ["--task", spec.task, "--preset", ",".join(spec.presets) or "paper"]
    for run in cell.runs:
        parts += ["--seed", str(run.seed)]
    for key, origin in spec.origins.items():
        if not origin.startswith(BY_NOBODY):
            named = key.replace("algorithm.", f"{spec.algorithm}.", 1)
            parts += ["--set", f"{named}={labels.exact(_value(spec, key))}"]
    parts += ["--label", spec.chosen_name] if spec.chosen_name else []
    return shlex.join(parts)
