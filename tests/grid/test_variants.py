"""Labels in a results folder: one setting each, in words, also beside what older versions wrote."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, Field

from marlbench.errors import UserError
from marlbench.executors import Resources
from marlbench.grid.launch import Grid, announcement, prepare
from marlbench.grid.plan import Request, make_plan
from marlbench.grid.status import overview
from marlbench.grid.variants import refuse_shared_labels
from marlbench.host import Catalogue, load_catalogue
from marlbench.overrides import parse_set
from marlbench.plugin import AlgorithmConfig
from marlbench.store import create, runs

pytestmark = pytest.mark.usefixtures("tiny")


def grid_of(
    results: Path,
    *sets: str,
    task: str = "2v2",
    catalogue: Catalogue | None = None,
    **request: Any,
) -> Grid:
    catalogue = catalogue or load_catalogue()
    overrides = [parse_set(text) for text in sets]
    asked: dict[str, Any] = {"algorithms": ["tiny"], "presets": ["quick"], "seeds": [0]} | request
    plan = make_plan(
        catalogue, Request(suite="skirmish", tasks=[task], overrides=overrides, **asked)
    )
    return prepare(plan, results, catalogue.executor("local"), Resources())


def said(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())


def test_two_settings_under_one_label_are_refused_on_whatever_task(tmp_path: Path) -> None:
    (spec,) = grid_of(tmp_path, "gain=0.75", label="loud").plan.specs
    folder = create(tmp_path, spec)
    grid_of(tmp_path, "gain=0.75", label="loud", task="3v3")
    grid_of(tmp_path, "gain=0.5", task="3v3")
    with pytest.raises(UserError) as error:
        grid_of(tmp_path, "gain=0.5", label="loud", task="3v3")
    assert str(error.value) == (
        f"tiny-loud is in {folder} with gain = 0.75, asked was 0.5: "
        "--label NAME gives this one a label of its own"
    )


def test_a_chosen_label_and_a_spelt_one_are_not_one_for_two_settings(tmp_path: Path) -> None:
    create(tmp_path, grid_of(tmp_path, "gain=0.75", label="quick").plan.specs[0])
    with pytest.raises(UserError, match=r"tiny-quick is in .* with gain = 0\.75, asked was 0\.25"):
        grid_of(tmp_path, task="3v3")


def test_a_label_is_said_in_words_before_the_runs_and_by_status(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, "gain=0.75", "suite.limit_scale=0.5", label="loud")
    words = "tiny-loud is tiny by preset quick with gain = 0.75"
    lines = said(list(announcement(grid)))
    assert f"play tiny-loud {words} on skirmish: 2v2 [limit_scale=0.5] seeds" in lines
    create(tmp_path, grid.plan.specs[0])
    status = list(overview(tmp_path))
    assert status[1:3] == ["  waiting    2v2 [limit_scale=0.5] tiny-loud seed 0", words]
    assert " is " not in said(list(announcement(grid_of(tmp_path, "suite.limit_scale=0.5"))))


def as_format_1(folder: Path, old: Path, label: str) -> None:
    """Write a run as format 1 did: without what differs, the suite's settings in the label."""
    document = json.loads((folder / "spec.json").read_text())
    del document["algorithm_changes"], document["suite_changes"]
    shutil.rmtree(folder)
    old.mkdir(parents=True)
    text = json.dumps(document | {"format": 1, "label": label})
    (old / "spec.json").write_text(text)


@pytest.mark.parametrize(
    ("sets", "old_label", "new_label"),
    [
        (["suite.limit_scale=0.5"], "tiny-quick-suite.limit_scale=0.5", "tiny-quick"),
        (
            ["gain=0.75", "suite.limit_scale=0.5", "suite.sight=9"],
            "tiny-quick-gain=0.75-suite.limit_scale=0.5",
            "tiny-quick-gain=0.75",
        ),
        (["gain=0.75"], "tiny-quick-gain=0.75", "tiny-quick-gain=0.75"),
        (["gain=0.25"], "tiny-quick", "tiny-quick"),  # the preset's own value
        (["gain=0.5"], "tiny", "tiny"),  # the paper's, said over a preset
        (["mood='a b'"], "tiny-quick-0123abcd", "tiny-quick-0123abcd"),
        (["mood='a b'", "suite.limit_scale=0.5"], "tiny-quick-0123abcd", None),
    ],
)
def test_runs_of_format_1_are_read_where_they_stand_and_go_on_where_they_are_moved(
    tmp_path: Path, sets: list[str], old_label: str, new_label: str | None
) -> None:
    results = tmp_path / "results of mine"
    grid = grid_of(results, *sets)
    (spec,) = grid.plan.specs
    folder = create(results, spec)
    old = results / "skirmish" / "2v2" / old_label / "seed_0"
    as_format_1(folder, old, old_label)
    (record,) = runs(results)
    assert (record.folder, record.spec.row) == (old, spec.row)
    assert record.spec.label == (new_label or spec.label)
    assert record.spec.suite_changes == spec.suite_changes
    if spec.label == record.spec.label:
        assert record.spec.algorithm_changes == spec.algorithm_changes
    if grid.folders == (old,):
        assert grid_of(results, *sets).records.keys() == {old}
    elif spec.label == record.spec.label:
        with pytest.raises(UserError, match="where an older version kept it: mkdir") as error:
            grid_of(results, *sets)
        subprocess.run(str(error.value).partition("kept it: ")[2], shell=True, check=True)
        assert [each.folder for each in runs(results)] == [folder]
        assert grid_of(results, *sets).records.keys() == {folder}
        assert create(results, spec) == folder


def test_a_run_of_format_1_does_not_count_beside_the_same_run_of_today(tmp_path: Path) -> None:
    (spec,) = grid_of(tmp_path, "suite.limit_scale=0.5").plan.specs
    folder = create(tmp_path, spec)
    label = "tiny-quick-suite.limit_scale=0.5"
    as_format_1(folder, tmp_path / "skirmish" / "2v2" / label / "seed_0", label)
    create(tmp_path, spec)
    with pytest.warns(UserWarning, match=r"seed_0 is left out, its settings belong in .*scale=0.5"):
        (record,) = runs(tmp_path)
    assert record.folder == folder
    assert shlex.quote(str(folder)) != str(folder)  # brackets: shown commands must quote them


def test_a_setting_that_was_renamed_or_added_since_is_no_other_setting(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, "gain=0.75", label="loud")
    (spec,) = grid.plan.specs
    stored = {"loudness": 0.75, "num_envs": 8, "mood": "well"}
    folder = create(tmp_path, spec.model_copy(update={"algorithm_config": stored}))
    document = (folder / "spec.json").read_bytes()
    with pytest.raises(UserError, match=r"algorithm\.gain = None, asked was 0\.75"):
        grid_of(tmp_path, "gain=0.75", label="loud")

    class Renamed(AlgorithmConfig):
        gain: float = Field(default=0.5, validation_alias=AliasChoices("gain", "loudness"))
        mood: str = "well"
        new: int = 3

    catalogue = load_catalogue()
    catalogue.algorithms["tiny"] = replace(catalogue.algorithms["tiny"], config=Renamed)
    again = grid_of(tmp_path, "gain=0.75", label="loud", catalogue=catalogue)
    assert set(again.records) == {folder}
    assert create(tmp_path, again.plan.specs[0], again.plan.today) == folder
    assert (folder / "spec.json").read_bytes() == document
    for sets in (["gain=0.7"], ["gain=0.75", "new=4"]):
        with pytest.raises(UserError, match="--label NAME gives this one a label of its own"):
            grid_of(tmp_path, *sets, label="loud", catalogue=catalogue)


def test_two_settings_under_one_label_are_refused_in_one_command(tmp_path: Path) -> None:
    (spec,) = grid_of(tmp_path).plan.specs
    other = spec.model_copy(update={"task": "3v3", "algorithm_config": {"gain": 7.0}})
    with pytest.raises(UserError, match=r"tiny-quick is in the same command with gain = 0\.25"):
        refuse_shared_labels([spec, other], [])
