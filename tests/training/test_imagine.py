"""`marlbench imagine`: scores, a row that is no part of the curve, and a picture."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from PIL import Image

from marlbench import store
from marlbench.errors import UserError
from marlbench.exit_codes import ExitCode
from marlbench.store import files
from marlbench.testing import synthetic
from marlbench.training import imagine, worker
from marlbench.training.imagine import Asked
from tests import linear
from tests.training.small_runs import small_spec
from tests.training.test_pictures import play, spec_of

ASKED = Asked(episodes=3, episode=1, context=4, horizon=6, seed=2, of="newest", out="")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a world model."""
    results, spec = tmp_path_factory.mktemp("run"), spec_of("dmawm", task="3v3", steps=120)
    assert play(spec, results) == 0
    return store.run_folder(results, spec)


def test_the_model_is_judged_on_fresh_episodes_and_drawn(folder: Path, tmp_path: Path) -> None:
    before = (folder / "eval.jsonl").read_bytes()
    asked = replace(ASKED, out=str(tmp_path / "picture.png"))
    said = list(imagine.imagine(folder, asked))
    assert (folder / "eval.jsonl").read_bytes() == before
    assert said[0].endswith("3 fresh episodes of seed 2")
    assert said[1].split() == ["steps", "ahead", "1-2", "3-4", "5-6"]
    assert [line.strip().split("  ")[0] for line in said[2:5]] == [
        f"observation, {name}" for name in ("imagined", "last seen", "mean")
    ]
    assert said[-1] == f"episode 1 is drawn in {asked.out}"
    with Image.open(asked.out) as picture:
        assert picture.size[0] > 200
    again = list(imagine.imagine(folder, asked))
    assert again == said  # all that is random comes from the seeds
    row, same = files.read_rows(folder / "evaluations.jsonl")
    assert row["kind"] == "imagined"
    assert row["imagination"] == same["imagination"]
    assert row["imagination"]["context"] == 4
    curve = files.read_rows(folder / "eval.jsonl")[-2]["imagination"]
    assert row["imagination"]["observation"] != curve["observation"]


def test_a_learner_without_a_model_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = store.create(tmp_path, small_spec(100))
    entries = (linear.algorithm, synthetic.suite)
    assert worker.run(small_spec(100), place, *entries) == ExitCode.OK
    monkeypatch.setattr(worker, "from_catalogue", lambda spec: entries)
    with pytest.raises(UserError, match="linear does not imagine: it offers no `imagine`"):
        list(imagine.imagine(place, ASKED))
    assert imagine.main([str(place), json.dumps(asdict(ASKED))]) == ExitCode.USAGE
    assert capsys.readouterr().err.count("\n") == 1
