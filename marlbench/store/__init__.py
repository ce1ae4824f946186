"""A run's folder: who may write it, what is in it, and how to read many of them."""

from marlbench.store.folder import (
    SpecConflict,
    agreeing,
    create,
    exclude,
    learner_difference,
    read_spec,
    run_folder,
)
from marlbench.store.reading import RunRecord, each_run, read, runs
from marlbench.store.writing import Journal, Superseded

__all__ = [
    "Journal",
    "RunRecord",
    "SpecConflict",
    "Superseded",
    "agreeing",
    "create",
    "each_run",
    "exclude",
    "learner_difference",
    "read",
    "read_spec",
    "run_folder",
    "runs",
]
