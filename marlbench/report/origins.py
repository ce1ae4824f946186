"""What runs ran on and from what code, compared: within a cell, and between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marlbench.report.caveats import differences, flat, spans
from marlbench.report.scores import Cell
from marlbench.store import RunRecord

__all__ = ["code", "documents", "mixed_code"]

MACHINE = ("host", "device", "cpu", "cpus", "platform")


def mixed_code(cell: Cell) -> list[str]:
    """Sentences on runs of a cell that are of other code: commit, dirty tree, versions."""
    where = f"{cell.suite}/{cell.task}, {cell.label}"
    runs = [(cell.label, run) for run in cell.runs]
    said = [f"{where}: {each}" for each in differences(runs, lambda run: code(run.record))]
    dirty = [run.seed for run in cell.runs if _git(run.record).get("dirty")]
    if dirty:
        said.append(f"{where}: {spans(dirty)} ran from a tree with changes that no commit has")
    for run in cell.runs:
        said += [f"{where}: seed {run.seed} {each}" for each in _resumed(run.record)]
    return said


def code(record: RunRecord) -> dict[str, str]:
    """The commit and the versions that a run was computed with; what is not known is left out."""
    found = _git(record)
    commit = {"commit": str(found["commit"])[:10]} if found.get("commit") else {}
    return commit | flat("version", (record.provenance or {}).get("versions") or {})


def _git(record: RunRecord) -> dict[str, Any]:
    return (record.provenance or {}).get("git") or {}


def _resumed(record: RunRecord) -> Iterator[str]:
    """What a resumed run says of its earlier attempts that were of other code."""
    last = record.provenance or {}
    for attempt in last.get("earlier_attempts") or ():
        before, after = attempt.get("git") or {}, last.get("git") or {}
        if before.get("commit") != after.get("commit"):
            commits = (str(each.get("commit"))[:10] for each in (before, after))
            yield "was resumed by other code: commit {}, then {}".format(*commits)
        old, new = attempt.get("versions") or {}, last.get("versions") or {}
        changed = [key for key in sorted(old.keys() & new.keys()) if old[key] != new[key]]
        if changed:
            spelt = ", ".join(f"{key} {old[key]}, then {new[key]}" for key in changed)
            yield f"was resumed by other versions: {spelt}"


def documents(record: RunRecord) -> dict[str, dict[str, str]]:
    """All that may differ between two runs, by kind: settings, packages, machine, code."""
    spec, made = record.spec, record.provenance or {}
    settings = {key: str(getattr(spec, key)) for key in ("suite", "task", "algorithm", "seed")}
    settings |= flat("run", spec.run.model_dump())
    settings |= flat(spec.algorithm, spec.algorithm_config)
    settings |= flat("suite", spec.suite_config)
    env = made.get("env") or {}
    git = _git(record)
    return {
        "settings": settings,
        "packages": {k: str(v) for k, v in (made.get("versions") or {}).items()},
        "machine": {key: str(made[key]) for key in MACHINE if key in made},
        "code": {key: str(git[key]) for key in ("commit", "dirty") if key in git}
        | ({"simulator": str(env["simulator"])} if env.get("simulator") else {}),
    }
