"""`marlbench status`: what it says of a run whose environment crashed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from marlbench import store
from marlbench.config import RunSpec
from marlbench.grid.status import overview
from marlbench.metrics import episode_return, win_rate


@pytest.mark.parametrize(
    ("during", "said"),
    [
        ([], ""),
        (["training"], ", 1 crash of the environment"),
        (["training", "evaluation", "training"], ", 3 crashes of the environment"),
    ],
)
def test_crashes_of_the_environment_are_counted(
    tmp_path: Path, during: list[str], said: str
) -> None:
    spec = RunSpec(suite="smacv2", task="protoss_5_vs_5", algorithm="qmix", label="qmix", seed=0)
    folder = store.create(tmp_path, spec)
    events = [{"event": "attempt"}, *({"event": "env_crash", "during": when} for when in during)]
    (folder / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in events))
    row = {"step": 0, "metrics": {"win": 0.25, "return": 3.2}}
    env = {"metrics": [asdict(win_rate()), asdict(episode_return())]}
    (folder / "provenance.json").write_text(json.dumps({"env": env}))
    (folder / "eval.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "DONE").write_text("{}")
    (_, line, _) = overview(tmp_path)
    assert line == f"  done       protoss_5_vs_5 qmix seed 0  win 25.0 %, return 3.20{said}"


@pytest.mark.parametrize(("gib", "said"), [(9.81, ", replay grows to 9.8 GiB"), (0.05, "")])
def test_a_running_run_says_to_what_its_replay_grows(tmp_path: Path, gib: float, said: str) -> None:
    spec = RunSpec(suite="smacv2", task="protoss_5_vs_5", algorithm="qmix", label="qmix", seed=0)
    journal = store.Journal(store.create(tmp_path, spec))
    journal.write_progress({"env_steps": 2000, "eta_s": 60.0, "replay_gib": gib, "free_gib": 23.0})
    (_, line, _) = overview(tmp_path)
    journal.close()
    assert line.endswith(f"seed 0  2k of 400k steps, 60 s to go{said}")


def test_a_run_that_diverged_says_where_and_in_which_number(tmp_path: Path) -> None:
    spec = RunSpec(suite="smacv2", task="protoss_5_vs_5", algorithm="qmix", label="qmix", seed=0)
    journal = store.Journal(store.create(tmp_path, spec))
    journal.write_diverged(1200, "loss is nan")
    journal.close()
    (_, line, total) = overview(tmp_path)
    assert line == (
        "  diverged   protoss_5_vs_5 qmix seed 0  diverged at 1,200 env steps: loss is nan"
    )
    assert total == "1 run: 1 diverged"
