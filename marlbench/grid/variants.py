"""Labels of many runs: what they mean, and that none stands for two settings."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from marlbench.config import RunSpec
from marlbench.errors import UserError
from marlbench.store import RunRecord, learner_difference, run_folder

__all__ = ["meanings", "refuse_old_places", "refuse_shared_labels"]


def meanings(specs: Iterable[RunSpec]) -> list[str]:
    """Say of each label what differs from its presets, where it does not name presets alone."""
    return list(dict.fromkeys(spec.meaning for spec in specs if spec.meaning))


def refuse_shared_labels(planned: Iterable[RunSpec], found: Iterable[tuple[Path, RunSpec]]) -> None:
    """Raise UserError if a planned label stands for other settings elsewhere.

    That is in the same plan, or in a run of the results folder on whatever task: a column of a
    report is one setting.
    """
    stored = {spec.label: (str(folder), spec) for folder, spec in found}
    for spec in planned:
        where, there = stored.setdefault(spec.label, ("the same command", spec))
        if difference := learner_difference(there, spec):
            key, before, after = difference
            raise UserError(
                f"{spec.label} is in {where} with {key} = {before!r}, asked was {after!r}: "
                "--label NAME gives this one a label of its own"
            )


def refuse_old_places(results: Path, folders: Sequence[Path], found: Iterable[RunRecord]) -> None:
    """Raise UserError if a planned run stands where an older version kept it."""
    for record in found:
        place = run_folder(results, record.spec)
        if place in folders and record.folder != place:
            old, new = record.folder.parent, shlex.quote(str(place.parent))
            raise UserError(
                f"{record.folder} is a run of this grid, where an older version kept it: "
                f"mkdir -p {new} && mv {shlex.quote(str(old))}/seed_* {new}"
            )
