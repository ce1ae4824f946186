"""What many runs wrote as frames of pandas: a row for each evaluation, a row for each update."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marlbench.store.reading import AWAY, RunRecord, leave_out, runs

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("suite", "task", "label", "algorithm", "seed", "status", "step", "env_steps"),
    *("length", "episodes", "crashed", "values", "lengths", "wall"),
    *("steps", "protocol", "execution", "simulator", "folder"),
)
"""What every evaluation says; a column of each metric's name comes behind."""

TRAINING_COLUMNS = (
    *("suite", "task", "label", "algorithm", "seed", "status", "folder"),
    *("env_steps", "update", "episodes", "wall"),
)
"""What is there before anyone has learnt, and has metrics."""


def load(results: Path) -> pd.DataFrame:
    """Give one row per evaluation of every run below a results folder.

    The columns are `COLUMNS`, and the mean over episodes of every metric under its name;
    `values` holds the episodes' own by name.

    `task` is a task as tables name it, with the settings that make it another: `RunSpec.row`.

    The way in: other readers refuse a file whose last line is torn, this one does not.
    """
    import pandas as pd

    rows = [row for record in runs(results) for row in _table_rows(record)]
    metrics = dict.fromkeys(name for row in rows for name in row["metrics"])
    rows = [{key: v for key, v in row.items() if key != "metrics"} | row["metrics"] for row in rows]
    return pd.DataFrame(rows, columns=[*COLUMNS, *metrics])


def load_training(results: Path) -> pd.DataFrame:
    """Give one row per update of every run below a results folder, a column per metric.

    NaN where a run's learner has no such metric; one that is called like a column of the host's is
    left out.
    """
    import pandas as pd

    rows = [
        _whose(record) | row.pop("metrics") | row | {"wall": row["wall"]["seconds"]}
        for record in runs(results)
        for row in _trained(record)
    ]
    return pd.DataFrame(rows, columns=None if rows else list(TRAINING_COLUMNS))


def _trained(record: RunRecord) -> list[dict[str, Any]]:
    """Give the rows of `train.jsonl`, none with a warning where they are damaged."""
    try:
        return record.training()
    except ValueError as error:
        leave_out(f"{record.folder} is left out, it cannot be read: {error}; {AWAY} to begin anew")
        return []


def _whose(record: RunRecord) -> dict[str, Any]:
    """Give the columns that say which run a row is of."""
    spec = record.spec
    return {
        "suite": spec.suite,
        "task": spec.row,
        "label": spec.label,
        "algorithm": spec.algorithm,
        "seed": spec.seed,
        "status": record.status,
        "folder": str(record.folder),
    }


def _table_rows(record: RunRecord) -> Iterator[dict[str, Any]]:
    spec, provenance = record.spec, record.provenance or {}
    constant = {
        **_whose(record),
        "steps": spec.run.steps,
        "protocol": spec.run.evaluation.version,
        "execution": provenance.get("execution"),
        "simulator": provenance.get("env", {}).get("simulator"),
    }
    for row in record.evaluations():
        yield row | constant | {"wall": (row.get("wall") or {}).get("seconds")}
