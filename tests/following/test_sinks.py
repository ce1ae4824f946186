"""The sinks that come with marlbench, by their real packages: what arrives can be read there."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from marlbench.builtin import marlbench_sinks
from marlbench.errors import UserError
from marlbench.following.follower import Follower
from marlbench.following.start import require_sink
from marlbench.sinks import Sink
from tests.following.test_follower import ENDED, evaluate, played, update

SINKS = {sink.name: sink for sink in marlbench_sinks()}


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
