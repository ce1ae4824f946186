"""A finished run that goes on to more env steps is the run that had been asked for at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marlbench import store
from marlbench.config import Evaluation
from marlbench.store import SpecConflict, files
from tests.training.small_runs import StopAfter, play, rows, small_spec

ROWS = ("eval.jsonl", "train.jsonl")
BEST: dict[str, Any] = {
    "keep_checkpoints": "best",
    "evaluation": Evaluation(
        every=100, episodes=4, num_envs=3, final_episodes=8, final_of_best=True
    ),
}


def whole(results: Path, steps: int, **settings: Any) -> Path:
    """Play a run of so many env steps at once."""
    spec = small_spec(steps, **settings)
    folder = store.create(results, spec)
    assert play(spec, folder) == 0
    return folder


@pytest.mark.parametrize(
    ("first", "settings"),
    [(300, {}), (250, {}), (1, {}), (300, BEST), (250, {"keep_checkpoints": "every=200"})],
    ids=["at a point", "between points", "from the first step", "best kept", "some kept"],
)
def test_the_rows_are_those_of_a_run_that_was_longer_from_the_start(
    tmp_path: Path, first: int, settings: dict[str, Any]
) -> None:
    longer = whole(tmp_path / "longer", 520, **settings)
    extended = whole(tmp_path / "extended", first, **settings)
    assert [row["kind"] for row in files.read_rows(extended / "eval.jsonl")].count("final") == 1
    again = whole(tmp_path / "extended", 520, **settings)
    assert again == extended
    for name in ROWS:
        assert rows(extended / name) == rows(longer / name)
    assert store.read(extended).status == "done"
    policies = [sorted(p.name for p in (each / "policies").glob("*")) for each in (longer, again)]
    assert policies[0] == policies[1]


@pytest.mark.parametrize("looks", [1, 40, 90])
def test_a_run_that_is_stopped_as_it_goes_on_loses_nothing(tmp_path: Path, looks: int) -> None:
    longer = whole(tmp_path / "longer", 520)
    folder = whole(tmp_path / "extended", 250)
    spec = small_spec(520)
    store.create(tmp_path / "extended", spec)
    assert play(spec, folder, stop=StopAfter(looks)) == 130
    assert play(spec, folder) == 0
    for name in ROWS:
        assert rows(folder / name) == rows(longer / name)


def test_a_run_killed_between_the_end_and_its_longer_form_is_as_it_was(tmp_path: Path) -> None:
    folder = whole(tmp_path, 300)
    before = {name: rows(folder / name) for name in ROWS}
    (folder / "DONE").unlink()  # what `create` does first
    assert play(small_spec(300), folder) == 0
    assert {name: rows(folder / name) for name in ROWS} == before


def test_a_shorter_run_than_what_is_there_is_refused(tmp_path: Path) -> None:
    whole(tmp_path, 300)
    with pytest.raises(SpecConflict, match=r"run\.steps = 300, asked was 200"):
        store.create(tmp_path, small_spec(200))


def test_looking_whether_a_run_agrees_changes_nothing(tmp_path: Path) -> None:
    folder = whole(tmp_path, 300)
    there = store.agreeing(folder, small_spec(520))
    assert there.run.steps == 300
    assert (folder / "DONE").exists()
