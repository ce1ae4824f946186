"""What must be said beside the numbers: seeds that do not count and runs that do not compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from marlbench.fields import flatten
from marlbench.report.scores import CRASHED, Cell, Run, recorded
from marlbench.store import RunRecord

MACHINE = (
    *(
        "device",
        "threads",
        "env_processes",
        "checkpoint_every",
        "checkpoint_minutes",
        "keep_checkpoints",
    ),
    *("silent_minutes", "memory_gib"),
)
"""Settings of a run that do not touch what it measures."""


def by_task(cells: Iterable[Cell]) -> Iterator[tuple[tuple[str, str], list[Cell]]]:
    """(suite, task) and its cells, in order."""
    for task, group in groupby(cells, lambda cell: (cell.suite, cell.task)):
        yield task, list(group)


def meanings(cells: Iterable[Cell]) -> list[str]:
    """Sentences on what labels mean that do not name an algorithm and presets alone."""
    said = (run.record.spec.meaning for cell in cells for run in cell.runs)
    return list(dict.fromkeys(filter(None, said)))


def mixed(cells: Sequence[Cell]) -> list[str]:
    """Sentences on settings in which the runs of one task differ; none where all compare.

    Across labels these are the host's and the suite's settings and the simulator; within a
    label, whose runs share a cell, the algorithm's own too.
    """
    runs = [(cell.label, run) for cell in cells for run in cell.runs]
    found = differences(runs, lambda run: protocol(run.record))
    for cell in cells:
        own = [(cell.label, run) for run in cell.runs]
        found += differences(own, lambda run: flat("algorithm", run.record.spec.algorithm_config))
    return found


def protocol(record: RunRecord) -> dict[str, str]:
    """What must be equal for two runs of a task to compare, as the user's own keys."""
    run = record.spec.run.model_dump(exclude=set(MACHINE))
    env = recorded(record, "env") or {}
    simulator = {"simulator": env["simulator"]} if env.get("simulator") else {}
    return flat("run", run) | flat("suite", record.spec.suite_config) | simulator


def flat(prefix: str, settings: dict[str, Any]) -> dict[str, str]:
    """Nested settings as one level of dotted keys.

    >>> flat("run", {"steps": 5, "evaluation": {"every": 2}})
    {'run.steps': '5', 'run.evaluation.every': '2'}
    """
    return {key: str(value) for key, value in flatten((), {prefix: settings}).items()}


def differences(
    runs: Sequence[tuple[str, Run]], settings: Callable[[Run], dict[str, str]]
) -> list[str]:
    """One sentence per key whose values differ; a run that does not know a key is left out."""
    known = [(label, run.seed, settings(run)) for label, run in runs]
    keys = dict.fromkeys(key for _, _, pairs in known for key in pairs)
    found = []
    for key in keys:
        having: dict[str, dict[str, list[int]]] = {}
        for label, seed, pairs in known:
            if key in pairs:
                having.setdefault(pairs[key], {}).setdefault(label, []).append(seed)
        if len(having) > 1:
            found.append(f"{key} is " + ", ".join(f"{v} ({who(at)})" for v, at in having.items()))
    return found


def who(seeds: dict[str, list[int]]) -> str:
    """Labels with their seeds.

    >>> who({"qmix": [0, 1, 2], "mat": [4]})
    'qmix seeds 0-2; mat seed 4'
    """
    return "; ".join(f"{label} {spans(at)}" for label, at in seeds.items())


def spans(seeds: Sequence[int]) -> str:
    """Seeds in words, runs of them shortened.

    >>> spans([0, 1, 2, 5])
    'seeds 0-2, 5'
    """
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    said = ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)
    return f"seeds {said}" if len(seeds) > 1 else f"seed {said}"


def missing(cell: Cell) -> list[str]:
    """Sentences on the seeds of a cell that are not counted, or have crashed."""
    where = f"{cell.suite}/{cell.task}, {cell.label}"
    said = [f"{where}: {unfinished(run)}" for run in cell.runs if run not in cell.counted]
    broken = {
        "crashed episodes that are not scored": {run.seed: run.crashed for run in cell.runs},
        "crashes of the environment in training": {run.seed: run.cut for run in cell.runs},
        "evaluations without a scored episode": {run.seed: run.unscored for run in cell.runs},
    }
    for what, numbers in broken.items():
        if total := sum(numbers.values()):
            seeds = [seed for seed, number in numbers.items() if number]
            said.append(f"{where}: {spans(seeds)} with {total} {what}")
    remarks: dict[str, list[int]] = {}
    for run in cell.runs:
        for remark in run.remarks:
            remarks.setdefault(remark, []).append(run.seed)
    return said + [f"{where}: {spans(seeds)}: {remark}" for remark, seeds in remarks.items()]


def unfinished(run: Run) -> str:
    """How far a run that does not count has come, and why if it failed."""
    record = run.record
    if run.finished and run.biased:
        played = run.crashed + run.scored
        return (
            f"seed {run.seed} is not counted: {run.crashed} of {played} evaluation episodes "
            f"crashed, more than {CRASHED:.0%}, and what crashes may go with the outcome: see "
            "its events.jsonl"
        )
    if run.finished:
        return f"seed {run.seed} finished without a scored last evaluation"
    if record.status == "done":
        ends = f"{run.evaluated} of {record.spec.run.steps} env steps"
        return f"seed {run.seed} is done, but its rows end at {ends}: eval.jsonl is not whole"
    failure = record.failure or {}
    steps = (record.progress or {}).get("env_steps", 0)
    reason = failure.get("reason", "")
    if diverged := failure.get("diverged"):
        steps, reason = diverged["env_steps"], diverged["number"]
    said = f"seed {run.seed} {record.status} at {steps} of {record.spec.run.steps} env steps"
    return f"{said} ({reason})" if reason else said
