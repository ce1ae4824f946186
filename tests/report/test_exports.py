"""The report's runs for other tools: marl-eval's JSON, and tidy tables as Parquet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from marlbench.report import ReportError, exported, write
from tests.report.conftest import Record


def marl_eval_of(results: Path) -> tuple[dict[str, Any], str]:
    """The document, and what the report says of it."""
    paths = write(results, results / "report", exported(["marl-eval"]))
    (file,) = (path for path in paths.files if path.name == "marl-eval.json")
    return json.loads(file.read_text()), paths.markdown.read_text()


def final(folder: Path, values: list[float], kind: str = "final") -> None:
    """Let a recorded run end with a final evaluation of these episodes."""
    row = json.loads((folder / "eval.jsonl").read_text().splitlines()[-1])
    mean = {"return": sum(values) / len(values)}
    row |= {"kind": kind, "values": {"return": values}, "metrics": mean, "episodes": len(values)}
    with (folder / "eval.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def test_the_document_is_by_suite_task_label_seed_and_point(results: Path, record: Record) -> None:
    for label in ("qmix", "mat"):
        for seed in (0, 1):
            final(record(label, seed, [0.0, 4.0], task="Skirmish/3M"), [1.0, 2.0])
    document, _ = marl_eval_of(results)
    run = document["skirmish"]["3m"]["qmix"]["seed_1"]
    assert list(run) == ["step_0", "step_1", "absolute_metrics"]  # marl-eval takes the last
    assert run["step_1"] == {"step_count": 1000, "return": [4.0]}
    assert run["absolute_metrics"] == {"return": [1.5]}
    assert set(document["skirmish"]["3m"]) == {"qmix", "mat"}


def test_every_run_has_the_same_points_metrics_seeds_and_labels(
    results: Path, record: Record
) -> None:
    for seed in (0, 1):
        record("qmix", seed, [0.0, 1.0, 2.0])
        record("qmix", seed, [0.0, 1.0, 2.0], task="skirmish/8m", metric="win")
    record("mat", 0, [0.0, 1.0, 2.0])
    record("mat", 0, [0.0, 1.0], task="skirmish/8m", metric="win")
    record("mappo", 0, [0.0, 1.0, 2.0])
    document, said = marl_eval_of(results)
    tasks = document["skirmish"]
    shapes = {
        (len(runs), len(points), tuple(points["step_0"]))
        for labels in tasks.values()
        for runs in labels.values()
        for points in runs.values()
    }
    assert shapes == {(1, 3, ("step_count", "return"))}  # two points and the end
    assert "- skirmish: mappo is not on every task." in said
    assert "- skirmish: seeds 1 are not in every cell." in said
    assert "- skirmish: 1 points of the curves are not in every run." in said


def test_the_absolute_metric_is_the_best_policys_where_it_was_asked_for(
    results: Path, record: Record
) -> None:
    folder = record("qmix", 0, [0.0, 4.0])
    final(folder, [1.0, 2.0])
    final(folder, [8.0] * 10, "final of best")
    document, _ = marl_eval_of(results)
    assert document["skirmish"]["3m"]["qmix"]["seed_0"]["absolute_metrics"] == {
        "return": [8.0] * 10  # tenfold the one number of a point
    }


def test_runs_that_do_not_count_are_not_exported(results: Path, record: Record) -> None:
    record("qmix", 0, [0.0, 1.0], ended="failed")
    document, _ = marl_eval_of(results)
    assert document == {}


def test_parquet_has_all_four_tables(results: Path, record: Record) -> None:
    record("qmix", 0, [0.0, 1.0], config={"gamma": 0.9, "widths": [3, 4], "by": {"a": 1}})
    record("mat", 0, [0.0, 2.0], config={"gamma": "learnt"})
    paths = write(results, results / "report", exported(["parquet"]))
    tables = {path.stem: pd.read_parquet(path) for path in paths.files if "parquet" in path.suffix}
    assert list(tables) == ["runs", "evaluations", "episodes", "training"]
    assert tables["evaluations"].groupby("label")["return"].last().to_dict() == {
        "qmix": 1.0,
        "mat": 2.0,
    }
    runs = tables["runs"].set_index("label")
    assert json.loads(str(runs.loc["qmix", "algorithm.widths"])) == [3, 4]
    assert json.loads(str(runs.loc["mat", "algorithm.gamma"])) == "learnt"
    assert runs.loc["qmix", "algorithm.by.a"] == 1


def test_what_cannot_be_exported_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReportError, match="--export excel: it is one of marl-eval, parquet"):
        exported(["excel"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ReportError, match=r"--export parquet needs pyarrow: pip install .*parquet"):
        exported(["parquet"])
