"""World models are judged at every evaluation of a run, and nothing else changes by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench import store
from marlbench.config import RunSpec
from marlbench.store import files
from marlbench.training import loop
from marlbench.training.foresight import AT_EVALUATIONS
from tests.training.small_runs import StopAtRows, rows
from tests.training.test_pictures import play, spec_of


def judged(folder: Path) -> list[dict[str, Any]]:
    """What the rows of the curve say of the model."""
    found = files.read_rows(folder / "eval.jsonl")
    return [row["imagination"] for row in found if row["kind"] == "curve"]


def unjudged(folder: Path) -> list[str]:
    """The rows of evaluations less what they say of the model."""
    found = (json.loads(row) for row in rows(folder / "eval.jsonl"))
    return [json.dumps({k: v for k, v in row.items() if k != "imagination"}) for row in found]


@pytest.fixture(scope="module", params=["dmawm", "mamba"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody stopped."""
    results, spec = tmp_path_factory.mktemp("whole"), spec_of(request.param, task="3v3")
    assert play(spec, results) == 0
    return store.run_folder(results, spec)


def spec_in(folder: Path) -> RunSpec:
    return store.read_spec(folder)


def test_every_point_of_the_curve_has_scores(whole: Path) -> None:
    found = judged(whole)
    assert len(found) == 6
    for row in found:
        assert row["episodes"] == AT_EVALUATIONS.episodes
        assert row["kl"] > 0
        assert np.shape(row["observation"]["imagined"]) == (3, AT_EVALUATIONS.horizon)
        assert row["ahead"][0]["avail_accuracy"] > 0
        assert row["coherence"]["influence"] > 0
    assert len({json.dumps(row) for row in found[2:]}) > 1  # it learns


def test_a_run_whose_model_is_not_judged_has_the_same_rows(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "imagines", lambda _: False)
    assert play(spec_in(whole), tmp_path) == 0
    folder = store.run_folder(tmp_path, spec_in(whole))
    assert "imagination" not in files.read_rows(folder / "eval.jsonl")[0]
    assert unjudged(folder) == unjudged(whole)
    assert rows(folder / "train.jsonl") == rows(whole / "train.jsonl")


def test_a_run_that_was_stopped_has_the_same_scores(whole: Path, tmp_path: Path) -> None:
    spec = spec_in(whole)
    folder = store.create(tmp_path, spec)
    assert play(spec, tmp_path, StopAtRows(folder, 2)) == 130
    assert play(spec, tmp_path) == 0
    assert judged(folder) == judged(whole)
