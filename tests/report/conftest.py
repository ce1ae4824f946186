"""Run folders as the store writes them, with numbers that a test chooses."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from marlbench import store
from marlbench.config import RunSpec
from marlbench.metrics import episode_return, win_rate

Record = Callable[..., Path]

EVERY = 1000
USUAL: dict[str, Any] = {
    "task": "skirmish/3m",
    "metric": "return",
    "ended": "done",
    "run": {},
    "config": {},
    "changes": {},
    "presets": (),
    "simulator": "skirmish 1",
    "crashed": 0,
    "algorithm": None,
    "appearance": {},
    "versions": {},
    "git": {},
    "agent_index": None,
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """An empty results folder."""
    return tmp_path / "results"


@pytest.fixture
def record(results: Path) -> Record:
    """Write one run: `record("qmix", 0, [0.1, 0.2], metric="win", ended="failed")`.

    One that is done is as long as its values are.
    """

    def write(label: str, seed: int, values: Sequence[float | None] = (), **also: Any) -> Path:
        chosen = USUAL | also
        suite, task = chosen["task"].split("/", 1)
        whole = chosen["ended"] == "done" and len(values) > 1
        steps = (len(values) - 1) * EVERY if whole else 10_000
        document = {
            "suite": suite,
            "task": task,
            "algorithm": chosen["algorithm"] or label,
            "label": label,
            "seed": seed,
            "run": {"steps": steps, "evaluation": {"every": EVERY}} | chosen["run"],
            "algorithm_config": chosen["config"],
            "algorithm_changes": chosen["changes"],
            "presets": chosen["presets"],
        }
        folder = store.create(results, RunSpec.model_validate(document))
        known = {"win": [win_rate(), episode_return()], "return": [episode_return()]}
        declared = known[chosen["metric"]] if chosen["metric"] in known else [chosen["metric"]]
        env = {
            "metrics": [asdict(each) for each in declared],
            "simulator": chosen["simulator"],
        }
        made = {
            "env": env,
            "execution": "decentralised",
            **{k: chosen[k] for k in ("versions", "git", "agent_index")},
        }
        made["algorithm"] = {"appearance": chosen["appearance"]}
        write_json(folder / "provenance.json", made)
        rows = [evaluation(k * EVERY, value, chosen) for k, value in enumerate(values)]
        (folder / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        reached = max(0, len(values) - 1) * EVERY
        write_json(folder / "progress.json", {"env_steps": reached, "time": 0.0})
        (folder / "attempts").mkdir()
        (folder / "attempts" / "1").touch()  # a worker has once begun it
        if chosen["ended"] == "done":
            write_json(folder / "DONE", {})
        if chosen["ended"] in ("failed", "diverged"):
            write_json(folder / "FAILED", {"reason": "the loss is not finite", "traceback": ""})
        return folder

    return write


def evaluation(step: int, value: float | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """One row of `eval.jsonl`; for wins the return is ten times the win rate."""
    name = getattr(chosen["metric"], "name", chosen["metric"])
    means = {name: value}
    if name == "win" and value is not None:
        means["return"] = 10 * value
    return {
        "step": step,
        "env_steps": step,
        "episodes": 32,
        "metrics": means,
        "length": 7.0,
        "crashed": chosen["crashed"],
        "wall": {"seconds": step / 100},
    }


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write one whole document."""
    path.write_text(json.dumps(document))
