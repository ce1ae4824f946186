"""Runs as tidy tables for other tools: what they measured, each episode, and all their settings.

A row is one thing and a column one quantity, in the metric's own unit: a win is 1, not 100 %. The
columns are documented in `results/README.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from marlbench.fields import flatten
from marlbench.store.reading import AWAY, RunRecord, leave_out

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["episodes", "evaluations", "settings", "training"]

WHOSE = ("suite", "task", "label", "algorithm", "seed", "status", "folder")
"""The columns that say which run a row is of."""
EVALUATED = ("kind", "step", "env_steps", "episodes", "crashed", "cut", "length")
MADE = ("protocol", "execution", "agent_index", "simulator")
SPENT = ("startup", "training", "evaluation", "seconds")
PLAYED = ("kind", "step", "env_steps", "way", "episode", "start", "length")
KNOWN = (
    *("steps", "protocol", "execution", "agent_index", "simulator", "presets"),
    *("attempts", "excluded", "host", "device", "cpu", "cpus", "commit", "dirty", "command"),
)


def whose(record: RunRecord) -> dict[str, Any]:
    """Give the columns that say which run a row is of; `task` is as tables name it."""
    spec = record.spec
    named = (spec.suite, spec.row, spec.label, spec.algorithm, spec.seed, record.status)
    return dict(zip(WHOSE, (*named, str(record.folder)), strict=True))


def evaluations(records: Iterable[RunRecord]) -> pd.DataFrame:
    """Give a row per evaluation: the curve's points and the final ones (`kind`).

    A metric's column is its mean over episodes by the likeliest actions; `sampled METRIC` that of a
    stochastic policy that samples them.
    """
    rows = [row for record in records for row in _evaluated(record)]
    return _frame(rows, (*WHOSE, *EVALUATED), (*SPENT, *MADE))


def episodes(records: Iterable[RunRecord]) -> pd.DataFrame:
    """Give a row per evaluation episode and `way` of acting: a column per metric, its length.

    Episodes of the same `start`, `kind` and `step` of a task began in the same state, for all
    labels and seeds; older runs do not say it.
    """
    rows = [row for record in records for row in _played(record)]
    return _frame(rows, (*WHOSE, *PLAYED), ())


def training(records: Iterable[RunRecord]) -> pd.DataFrame:
    """Give a row per update: a column per metric of the learner, empty where another has it.

    `episodes` are the training episodes since the row before. A metric that is called like a column
    of the host's is left out; of a run whose rows are damaged there are none.
    """
    rows = []
    for record in records:
        try:
            updates = record.training()
        except ValueError as error:
            leave_out(f"{record.folder} is left out: {error}; {AWAY} to begin anew")
            continue
        mine = whose(record)
        for row in updates:
            rest = {key: value for key, value in row.items() if key not in ("metrics", "wall")}
            wall = {key: (row.get("wall") or {}).get(key) for key in SPENT}
            rows.append(row["metrics"] | mine | rest | wall)
    return _frame(rows, (*WHOSE, "env_steps", "update", "episodes"), SPENT)


def settings(records: Iterable[RunRecord]) -> pd.DataFrame:
    """Give a row per run: what it is, what it ran on, and every setting as a column.

    `run.steps`, `suite.sight`, `algorithm.gamma`: settings of the same name share a column, and it
    is empty where a run has none such.
    """
    rows = [
        whose(record) | _known(record) | _settings(record) | _versions(record) for record in records
    ]
    return _frame(rows, (*WHOSE, *KNOWN), ())


def _frame(
    rows: list[dict[str, Any]], first: tuple[str, ...], last: tuple[str, ...]
) -> pd.DataFrame:
    """Give rows as a table: these columns first and last, between them what else rows have."""
    import pandas as pd

    found = dict.fromkeys(key for row in rows for key in row)
    between = [key for key in found if key not in first and key not in last]
    return pd.DataFrame(rows, columns=[*first, *between, *last])


def _all_rows(record: RunRecord) -> list[dict[str, Any]]:
    ends = (record.final(), record.final_of_best())
    return [*record.evaluations(), *(row for row in ends if row)]


def _evaluated(record: RunRecord) -> Iterator[dict[str, Any]]:
    constant, known = whose(record), _known(record)
    made = {key: known[key] for key in MADE}
    for row in _all_rows(record):
        sampled = (row.get("sampled") or {}).get("metrics") or {}
        wall = row.get("wall") or {}
        yield {
            **constant,
            "kind": row.get("kind", "curve"),
            **{key: row.get(key) for key in EVALUATED[1:]},
            **row["metrics"],
            **{f"sampled {name}": value for name, value in sampled.items()},
            **{key: wall.get(key) for key in SPENT},
            **made,
        }


def _played(record: RunRecord) -> Iterator[dict[str, Any]]:
    constant = whose(record)
    for row in _all_rows(record):
        place = {"kind": row.get("kind", "curve"), "step": row["step"]}
        place["env_steps"] = row.get("env_steps")
        for way, scores in (("greedy", row), ("sampled", row.get("sampled") or {})):
            values: Mapping[str, list[Any]] = scores.get("values") or {}
            starts = scores.get("seeds") or row.get("seeds") or []
            columns = zip_longest(*values.values()) if values else iter(())
            lengths = iter(scores.get("lengths") or [])
            for number, each in enumerate(columns):
                yield {
                    **constant,
                    **place,
                    "way": way,
                    "episode": number,
                    "start": starts[number] if number < len(starts) else None,
                    "length": next(lengths, None),
                    **dict(zip(values, each, strict=True)),
                }


def _known(record: RunRecord) -> dict[str, Any]:
    spec, made = record.spec, record.provenance or {}
    git = made.get("git") or {}
    return {
        "steps": spec.run.steps,
        "protocol": spec.run.evaluation.version,
        "execution": made.get("execution"),
        "agent_index": made.get("agent_index"),
        "simulator": (made.get("env") or {}).get("simulator"),
        "presets": ",".join(spec.presets),
        "attempts": 1 + len(made.get("earlier_attempts") or ()),
        "excluded": (record.excluded or {}).get("why"),
        **{key: made.get(key) for key in ("host", "device", "cpu", "cpus")},
        "commit": git.get("commit"),
        "dirty": git.get("dirty"),
        "command": made.get("command"),
    }


def _settings(record: RunRecord) -> dict[str, Any]:
    spec = record.spec
    nested = {
        "run": spec.run.model_dump(mode="json"),
        "suite": spec.suite_config,
        "algorithm": spec.algorithm_config,
    }
    return flatten((), nested)


def _versions(record: RunRecord) -> dict[str, Any]:
    versions = (record.provenance or {}).get("versions") or {}
    return {f"version.{name}": version for name, version in versions.items()}
