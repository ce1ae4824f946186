"""`marlbench diff`: in what two runs differ that may matter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from marlbench.commands.watch import find_run
from marlbench.errors import UserError

__all__ = ["differences"]

ABSENT = "(not there)"


def differences(one: str, other: str, results: Path) -> Iterator[str]:
    """Give the settings, packages, machine and code that differ, a line each; raises UserError."""
    from marlbench.report.origins import documents
    from marlbench.store import read

    folders = [find_run(run, results) for run in (one, other)]
    try:
        first, second = (documents(read(folder)) for folder in folders)
    except ValueError as error:
        raise UserError(f"one of the runs cannot be read: {error}") from error
    yield f"- {folders[0]}"
    yield f"+ {folders[1]}"
    same = []
    for kind, before in first.items():
        after = second[kind]
        changed = [k for k in before | after if before.get(k) != after.get(k)]
        if not changed:
            same.append(kind)
            continue
        yield f"{kind}:"
        for key in changed:
            yield f"  {key}: {before.get(key, ABSENT)} -> {after.get(key, ABSENT)}"
    if same:
        yield f"same {' and '.join([', '.join(same[:-1]), same[-1]] if same[:-1] else same)}"
