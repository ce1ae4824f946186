"""What a grid says before it starts, and the checks that come before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from marlbench.errors import UserError
from marlbench.executors import Resources
from marlbench.grid.launch import Grid, announcement, prepare
from marlbench.grid.plan import Request, make_plan
from marlbench.host import load_catalogue
from marlbench.overrides import parse_set
from marlbench.store import create


def grid_of(
    results: Path,
    presets: Sequence[str] = ("paper",),
    sets: Sequence[str] = (),
    resources: Resources | None = None,
    **request: Any,
) -> Grid:
    catalogue = load_catalogue()
    overrides = [parse_set(text) for text in sets]
    plan = make_plan(
        catalogue, Request(["tiny"], "skirmish", presets=presets, overrides=overrides, **request)
    )
    return prepare(plan, results, catalogue.executor("local"), resources or Resources())


def said(grid: Grid) -> str:
    return " ".join(" ".join(announcement(grid)).split())


@pytest.mark.usefixtures("tiny")
def test_days_without_a_gpu_are_warned_of_with_the_preset_to_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning = "no GPU here: with the paper's settings tiny will take days per run"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert warning in said(grid_of(tmp_path))
    assert "--preset quick" in said(grid_of(tmp_path))
    assert warning not in said(grid_of(tmp_path, presets=["quick"]))
    assert warning not in said(grid_of(tmp_path, sets=["run.steps=1000"]))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert warning not in said(grid_of(tmp_path))
    assert "GPU, 1 at a time" in said(grid_of(tmp_path))


@pytest.mark.usefixtures("tiny")
def test_that_memory_decides_how_many_share_a_gpu_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marlbench.grid.slots.cores", lambda: 8)
    granted = Resources(runs_per_gpu="auto")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    lines = said(grid_of(tmp_path, resources=granted))
    assert "GPU, one run each, then as many as its memory allows, 8 at most, 1 thread each" in lines
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CPU, 8 at a time" in said(grid_of(tmp_path, resources=granted))


@pytest.mark.usefixtures("tiny")
def test_the_plan_is_announced_with_runs_steps_tasks_seeds_and_place(tmp_path: Path) -> None:
    lines = said(grid_of(tmp_path, presets=["quick"]))
    assert lines.startswith("3 runs of 30,000 env steps play tiny-quick on skirmish: ")
    number = len(load_catalogue().suite("skirmish").tasks)
    assert f"its default task, as preset quick says; --task all plays all {number}" in lines
    assert "seeds 0, 1, 2 preset quick" in lines
    both = said(grid_of(tmp_path, presets=["quick", "pictures"]))
    assert "its default task, as presets quick, pictures say; " in both
    assert "preset quick machine" in lines
    seen = said(grid_of(tmp_path, presets=["quick"], tasks=["2v2", "gather44"]))
    assert "preset quick, with pictures where images are seen machine" in seen
    assert f"results {tmp_path}" in lines
    assert "its default task" not in said(grid_of(tmp_path, presets=["quick"], tasks=["2v2"]))


@pytest.mark.usefixtures("tiny")
def test_what_is_there_already_is_told_and_not_played_again(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, tasks=["2v2"])
    done, failed = (create(tmp_path, spec) for spec in grid.plan.specs[:2])
    (done / "DONE").write_text("{}")
    (failed / "FAILED").write_text('{"reason": "x", "traceback": ""}')
    again = grid_of(tmp_path, tasks=["2v2"])
    assert "1 done already, skipped" in said(again)
    assert "1 failed before, tried again" in said(again)
    assert again.todo() == list(grid.folders[1:])


@pytest.mark.usefixtures("tiny")
def test_preparing_writes_nothing(tmp_path: Path) -> None:
    list(announcement(grid_of(tmp_path / "deep" / "results")))
    assert not (tmp_path / "deep").exists()


@pytest.mark.usefixtures("tiny")
def test_a_run_with_other_settings_in_the_way_is_told_before_anything_is_written(
    tmp_path: Path,
) -> None:
    create(tmp_path, grid_of(tmp_path, tasks=["5v5"], seeds=[3]).plan.specs[0])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=r"run\.steps = 400000, asked was 7: use another --results"):
        grid_of(tmp_path, tasks=["2v2", "5v5"], seeds=[1, 3], sets=["run.steps=7"])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("tiny")
@pytest.mark.filterwarnings("ignore:.*is left out:UserWarning")
def test_a_run_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = create(tmp_path, grid_of(tmp_path, tasks=["2v2"]).plan.specs[0])
    (folder / "spec.json").write_text("{}")
    with pytest.raises(UserError, match=r"spec\.json cannot be read; move its folder away"):
        grid_of(tmp_path, tasks=["2v2"])
