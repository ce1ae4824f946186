"""Where a run lives and what document decides it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from marlbench import labels
from marlbench.config import RunSpec
from marlbench.fields import flatten
from marlbench.store.files import read_json, replace_json, sync_folder
from marlbench.store.old_documents import upgraded

SPEC = "spec.json"
PROVENANCE = "provenance.json"
EVALUATIONS = "eval.jsonl"
TRAINING = "train.jsonl"
EVENTS = "events.jsonl"
PROGRESS = "progress.json"
DONE = "DONE"
FAILED = "FAILED"
EXCLUDED = "EXCLUDED"
ATTEMPTS = "attempts"
CHECKPOINTS = "checkpoint"
POLICIES = "policies"
BY_HAND = "evaluations.jsonl"
PICTURES = "pictures"

INTERRUPTED = "interrupted"
"""The last event of a worker that was asked to stop and did."""

COMMAND = "MARLBENCH_COMMAND"
"""Environment variable in which whoever starts a worker says what the user typed."""

TRUST = "MARLBENCH_TRUST"
"""Environment variable: `1` lets a worker read pickles that somebody else wrote."""

STEPS = "run.steps"
"""The setting in which a run may grow: it goes on, as if so many had been asked for at once."""

MACHINE = (
    *("run.device", "run.threads", "run.env_processes"),
    *("run.checkpoint_minutes", "run.silent_minutes", "run.memory_gib"),
)
"""Settings that say where and how a run computes, not what."""


class SpecConflict(ValueError):  # noqa: N818 - it is what a user reads
    """A folder already holds a run with other settings."""


def run_folder(results: Path, spec: RunSpec) -> Path:
    """Give `results/<suite>/<task>/<label>/seed_<k>`, odd characters percent-encoded.

    Behind the task stands what makes it another one, `RunSpec.task_changes`: `tiny[map_size=12]`.
    Brackets of a task's own name are encoded, so that no two tasks share a folder.
    """
    task = _folder_name(spec.task) + labels.task_suffix(spec.task_changes)
    return Path(results, _folder_name(spec.suite), task, _folder_name(spec.label), _seed(spec.seed))


def place_of(results: Path, folder: Path, spec: RunSpec) -> Path:
    """Give where the run in this folder belongs.

    That is where format 1 kept it if it stands there and nothing stands at its new place.
    """
    place, document = run_folder(results, spec), read_json(folder / SPEC) or {}
    if document.get("format") == 1 and not (place / SPEC).exists():
        task, label = _folder_name(document["task"]), _folder_name(document["label"])
        old = Path(results, _folder_name(spec.suite), task, label, _seed(spec.seed))
        return old if folder == old else place
    return place


def _seed(seed: int) -> str:
    return f"seed_{seed}"


def picture_file(folder: Path, name: str, step: int) -> Path:
    """Give `<folder>/pictures/<name>-<step>.png`; names sort as steps do.

    >>> picture_file(Path("seed_0"), "decoded", 2000).as_posix()
    'seed_0/pictures/decoded-000002000.png'
    """
    return folder / PICTURES / f"{_folder_name(name)}-{step:09d}.png"


def newest_picture(folder: Path, name: str) -> Path | None:
    """Give the newest picture of this name in a run's folder, None where there is none."""
    return max((folder / PICTURES).glob(f"{_folder_name(name)}-*.png"), default=None)


def create(
    results: Path, spec: RunSpec, today: Callable[[RunSpec], RunSpec] = lambda stored: stored
) -> Path:
    """Write the run's document unless it is there already; give the run's folder.

    Settings of the machine may change between attempts: a run that is not done takes the new
    ones. One of fewer env steps is open again, to go on to more. Raises `SpecConflict` where any
    other setting differs from those that are there, as `today` understands them.
    """
    folder = run_folder(results, spec)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / SPEC).exists():
        there = agreeing(folder, spec, today)
        if there.run.steps < spec.run.steps:
            (folder / DONE).unlink(missing_ok=True)  # first: killed here, it is as it was
            sync_folder(folder)
        elif there.run == spec.run or (folder / DONE).exists():
            return folder
    replace_json(folder / SPEC, spec.model_dump(mode="json"))
    return folder


def agreeing(
    folder: Path, asked: RunSpec, today: Callable[[RunSpec], RunSpec] = lambda stored: stored
) -> RunSpec:
    """Give the document of the run in this folder if the run that is asked for can go on from it.

    Raises `SpecConflict` where they differ in more than the machine and in being shorter.
    """
    there = today(read_spec(folder))
    _refuse_difference(folder, there, asked)
    return there


def read_spec(folder: Path) -> RunSpec:
    """Give the document of the run in this folder; raises ValueError saying what is wrong in it.

    One that an older version wrote is given as this one would have written it.
    """
    document = read_json(folder / SPEC)
    if document is None:
        raise FileNotFoundError(errno.ENOENT, "No such file", str(folder / SPEC))
    try:
        spec = RunSpec.model_validate(upgraded(document))
    except (AttributeError, TypeError) as error:  # of a format that only looks like an older one
        raise ValueError(f"{SPEC}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        said = ": ".join(filter(None, [SPEC, key, first["msg"]]))
        raise ValueError(said) from error
    if any(not name.isprintable() for name in (spec.suite, spec.task, spec.algorithm, spec.label)):
        raise ValueError(f"{SPEC}: a name in it cannot be shown in a line")
    return spec


def exclude(folder: Path, why: str) -> None:
    """Leave a run out of every report from now on, with the reason; an empty one takes it back."""
    if why:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        replace_json(folder / EXCLUDED, {"why": why, "time": now})
    else:
        (folder / EXCLUDED).unlink(missing_ok=True)


def learner_difference(there: RunSpec, asked: RunSpec) -> tuple[str, Any, Any] | None:
    """Give the first setting of the algorithm in which two runs differ, with both its values.

    One that either does not know, being of another version, is passed over.
    """
    if there.algorithm != asked.algorithm:
        return "algorithm", there.algorithm, asked.algorithm
    old, new = (flatten((), each.algorithm_config) for each in (there, asked))
    both = sorted(old.keys() & new.keys())
    return next(((key, old[key], new[key]) for key in both if old[key] != new[key]), None)


def deciding(spec: RunSpec) -> dict[str, Any]:
    """Give what decides a run's rows, by dotted key: all settings but those of the machine."""
    return {key: value for key, value in _settings(spec).items() if key not in MACHINE}


def _refuse_difference(folder: Path, there: RunSpec, asked: RunSpec) -> None:
    """Raise `SpecConflict` for the first setting, machine settings apart, that differs."""
    old, new = _settings(there), _settings(asked)
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before != after and key not in MACHINE and not _is_more(key, before, after):
            raise SpecConflict(
                f"{folder} holds a run with {key} = {before!r}, asked was {after!r}: "
                f"use another --results folder, or move {folder.name} out of it to begin anew"
            )


def _is_more(key: str, before: Any, after: Any) -> bool:
    """Say whether a setting differs in that a run goes on to more env steps."""
    return key == STEPS and before is not None and after > before


def _settings(spec: RunSpec) -> dict[str, Any]:
    """Flatten what decides a run; where a value came from and what it changed does not."""
    document = spec.model_dump(
        mode="json", exclude={"presets", "origins", "algorithm_changes", "suite_changes"}
    )
    flat = flatten((), document)
    return {key.replace("_config.", ".", 1): value for key, value in flat.items()}


def _folder_name(name: str) -> str:
    """Encode a name so that no two names share a folder and none leaves it."""
    encoded = quote(name, safe="+=,@")
    return encoded if encoded.strip(".") else encoded.replace(".", "%2E")
