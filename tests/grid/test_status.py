"""`marlbench status`: what it says of a run whose environment crashed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from marlbench import store
from marlbench.config import RunSpec
from marlbench.errors import UserError
from marlbench.grid.status import as_json, overview
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


def test_a_running_run_says_what_it_took_of_its_gpu(tmp_path: Path) -> None:
    spec = RunSpec(suite="smacv2", task="protoss_5_vs_5", algorithm="qmix", label="qmix", seed=0)
    journal = store.Journal(store.create(tmp_path, spec))
    journal.write_progress({"env_steps": 2000, "gpu_free_gib": 23.0, "gpu_peak_gib": 2.54})
    (_, line, _) = overview(tmp_path)
    journal.close()
    assert line.endswith("2k of 400k steps, took 2.5 GiB of its GPU")


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


def several(results: Path) -> None:
    """Two runs of one suite and one of another."""
    for suite, task, algorithm, seed in (
        ("smacv2", "protoss_5_vs_5", "qmix", 0),
        ("smacv2", "protoss_5_vs_5", "mappo", 1),
        ("skirmish", "3v3", "qmix", 0),
    ):
        names = {"suite": suite, "task": task, "algorithm": algorithm, "label": algorithm}
        store.create(results, RunSpec(**names, seed=seed))


def test_runs_may_be_chosen_and_a_name_that_no_run_has_is_an_error(tmp_path: Path) -> None:
    several(tmp_path)
    assert [*overview(tmp_path, {"algo": ["qmix"], "suite": ["smacv2"], "task": []})] == [
        "smacv2",
        "  waiting    protoss_5_vs_5 qmix seed 0",
        "1 run: 1 waiting",
    ]
    assert [*overview(tmp_path, {"status": ["done"]})] == ["0 runs: "]
    with pytest.raises(UserError, match=r"--algo qmx: no run has it; did you mean 'qmix'\?"):
        list(overview(tmp_path, {"algo": ["qmx"]}))


def test_a_script_reads_every_run_with_its_duration(tmp_path: Path) -> None:
    several(tmp_path)
    spec = RunSpec(suite="skirmish", task="3v3", algorithm="qmix", label="qmix", seed=0)
    journal = store.Journal(store.run_folder(tmp_path, spec))
    row = {"step": 400_000, "metrics": {"win": 0.25}, "wall": {"seconds": 61.5, "attempt": 1}}
    journal.append_evaluation({"kind": "curve", **row})
    row |= {"metrics": {"win": 0.75}, "wall": {"seconds": 90.0, "attempt": 1}}
    journal.append_evaluation({"kind": "final", **row})
    journal.write_done({"env_steps": 400_000})
    journal.close()
    first, *others = json.loads(as_json(tmp_path))
    assert first["folder"] == str(journal.folder)
    assert (first["suite"], first["task"], first["label"], first["seed"]) == (
        "skirmish",
        "3v3",
        "qmix",
        0,
    )
    assert (first["status"], first["env_steps"], first["seconds"]) == ("done", 400_000, 90.0)
    assert first["metrics"] == {"win": 0.75}  # as in a report: the final evaluation
    assert [each["status"] for each in others] == ["waiting", "waiting"]
    assert json.loads(as_json(tmp_path, {"label": ["mappo"]}))[0]["algorithm"] == "mappo"
    assert "took 90 s" in "\n".join(overview(tmp_path))
