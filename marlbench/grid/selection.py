"""Which of the runs below a results folder are meant: by suite, task, algorithm, label, status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from marlbench.errors import UserError, did_you_mean
from marlbench.store import RunRecord

__all__ = ["KEYS", "selected"]

KEYS = ("suite", "task", "algo", "label", "status")
"""What runs may be chosen by."""


def selected(records: Iterable[RunRecord], wanted: Mapping[str, Sequence[str]]) -> list[RunRecord]:
    """Give the runs that are wanted by every key that names something.

    Raises UserError for a name that no run has: it is misspelt.
    """
    chosen = list(records)
    for key, names in wanted.items():
        if not names or not chosen:
            continue
        known = {name for record in chosen for name in _said(record)[key]}
        for name in names:
            if name not in known and key != "status":
                near = did_you_mean(name, known) or f"; there are {', '.join(sorted(known))}"
                raise UserError(f"--{key} {name}: no run has it{near}")
        chosen = [each for each in chosen if set(names) & set(_said(each)[key])]
    return chosen


def _said(record: RunRecord) -> dict[str, tuple[str, ...]]:
    spec = record.spec
    return {
        "suite": (spec.suite,),
        "task": (spec.task, spec.row),
        "algo": (spec.algorithm,),
        "label": (spec.label,),
        "status": (record.status,),
    }
