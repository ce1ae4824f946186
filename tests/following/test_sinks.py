"""The sinks that come with marlbench, by their real packages: what arrives can be read there."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from marlbench.builtin import marlbench_sinks
from marlbench.errors import UserError
from marlbench.following.follower import Follower
from marlbench.following.start import require_sink
from marlbench.sinks import Sink
from marlbench.store import read
from tests.following.test_follower import ENDED, evaluate, played, update

SINKS = {sink.name: sink for sink in marlbench_sinks()}
NOWHERE = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": 40 * "a"}
"""A server that nobody runs."""


def handed_on(sink: Sink, results: Path) -> Path:
    """Hand a run on in two parts, as two followers would; give its folder."""
    journal = played(results, 1, 2)
    (first,) = Follower(sink, [journal.folder]).pursuits
    first.look()
    first.give_up()
    update(journal, 3)
    evaluate(journal, "curve", 200)
    journal.write_done({"env_steps": 200})
    journal.close()
    assert Follower(sink, [journal.folder]).follow(ENDED, 0.0)
    return journal.folder


def test_tensorboard_reads_the_events(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", exc_type=ImportError
    )
    folder = handed_on(SINKS["tensorboard"], tmp_path)
    found: list[tuple[int, float]] = []
    for file in sorted((folder / "sinks" / "tensorboard").iterdir()):
        events = accumulator.EventAccumulator(str(file))
        events.Reload()
        if "train/loss" in events.Tags()["scalars"]:
            found += [(each.step, each.value) for each in events.Scalars("train/loss")]
    assert sorted(found) == [(10, 1.0), (20, 0.5), (30, pytest.approx(1 / 3))]


def test_a_grid_is_followed_by_tensorboard_to_its_end(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", exc_type=ImportError
    )
    asked = "--algo ippo --suite probe --task two_step --preset smoke --seeds 1 --workers 1"
    command = [sys.executable, "-P", "-m", "marlbench", "run", *asked.split()]
    command += ["--results", str(tmp_path), "--sink", "tensorboard"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert "has not got everything" not in run.stdout
    (folder,) = tmp_path.glob("*/*/*/seed_0")
    events = accumulator.EventAccumulator(str(folder / "sinks" / "tensorboard"))
    events.Reload()
    record = read(folder)
    updates = [each.step for each in events.Scalars("train/seconds")]
    assert updates == [row["env_steps"] for row in record.training()]
    points = [(each.step, each.value) for each in events.Scalars("eval/return")]
    assert points == [
        (row["step"], pytest.approx(row["metrics"]["return"])) for row in record.evaluations()
    ]
    assert len(events.Scalars("final/return")) == 1


def test_wandb_that_cannot_be_reached_is_said_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    journal = played(tmp_path / "results", 1, 2)
    journal.close()
    code = (
        "import sys; from marlbench.following import process, weights_and_biases as wandb; "
        "wandb.PATIENCE = 2.0; sys.exit(process.main(['wandb']))"
    )
    env = {**os.environ, **NOWHERE, "HOME": str(tmp_path)}
    command = [sys.executable, "-P", "-c", code]
    followed = f"{journal.folder}\n\n"
    told = subprocess.run(command, input=followed, env=env, capture_output=True, text=True)
    assert told.returncode == 1
    said = [line for line in told.stderr.splitlines() if str(journal.folder) in line]
    assert len(said) == 1
    assert said[0].startswith(f"wandb: {journal.folder}: CommError: ")
    assert said[0].endswith("; again in 5 s")


def test_wandb_keeps_an_offline_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = handed_on(SINKS["wandb"], tmp_path / "results")
    files = list((folder / "sinks" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2
    content = b"".join(file.read_bytes() for file in files)
    assert b"train/loss" in content
    assert b"skirmish/3v3/qmix/4" in content


@pytest.mark.filterwarnings("ignore")  # of the libraries that it is made of
def test_mlflow_has_one_run_with_all_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow: Any = pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    handed_on(SINKS["mlflow"], tmp_path / "results")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("marlbench skirmish/3v3")
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert sorted((each.step, each.value) for each in history) == [
        (10, 1.0),
        (20, 0.5),
        (30, pytest.approx(1 / 3)),
    ]
    assert run.data.params["algorithm.gamma"] == "0.9"
    assert run.info.status == "FINISHED"


def test_trackio_keeps_the_run_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio")
    handed_on(SINKS["trackio"], tmp_path / "results")
    (file,) = (tmp_path / "trackio").glob("*.db")
    with sqlite3.connect(file) as database:
        rows = database.execute("select step, metrics from metrics order by step").fetchall()
    losses = [step for step, metrics in rows if "train/loss" in str(metrics)]
    assert losses == [10, 20, 30]


def test_a_sink_whose_package_is_missing_names_the_remedy() -> None:
    with pytest.raises(UserError, match=r"the sink 'far' needs absent_thing: pip install absent_"):
        require_sink(Sink("far", "far away", print, requires=("absent_thing",)))  # type: ignore[arg-type]
    absent = Sink("wandb", "", print, requires=("absent_thing",), extra="wandb")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"needs absent_thing: pip install .*\[wandb\]"):
        require_sink(absent)
