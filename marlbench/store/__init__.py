"""A run's folder: who may write it, what is in it, and how to read many of them."""

from marlbench.store.folder import (
    SpecConflict,
    create,
    exclude,
    learner_difference,
    read_spec,
    run_folder,
)
from marlbench.store.reading import (
    History,
    RunRecord,
    histories,
    load,
    load_training,
    read,
    runs,
)
from marlbench.store.writing import Journal, Superseded

__all__ = [
    "History",
    "Journal",
    "RunRecord",
    "SpecConflict",
    "Superseded",
    "create",
    "exclude",
    "histories",
    "learner_difference",
    "load",
    "load_training",
    "read",
    "read_spec",
    "run_folder",
    "runs",
]
