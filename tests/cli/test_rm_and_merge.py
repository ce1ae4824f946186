"""`marlbench rm` and `marlbench merge`: what goes, what comes, and what is refused untouched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from marlbench import store
from marlbench.config import RunConfig, RunSpec
from tests.cli.conftest import Call


def finished(results: Path, seed: int, points: int = 3, win: float = 0.5, **spec: Any) -> Path:
    """Write a run as a worker leaves it; without all its points it is unfinished."""
    names = {"suite": "skirmish", "task": "3v3", "algorithm": "qmix", "label": "qmix"} | spec
    run = RunSpec(**names, seed=seed, run=RunConfig(steps=20_000))
    journal = store.Journal(store.create(results, run))
    for step in range(0, points * 10_000, 10_000):
        row = {"kind": "curve", "step": step, "metrics": {"win": win}}
        journal.append_evaluation({**row, "wall": journal.wall()})
    if points == 3:
        journal.write_done({"env_steps": 20_000})
    journal.close()
    return journal.folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_runs_that_are_chosen_are_removed_with_the_folders_that_are_empty_then(
    call: Call, tmp_path: Path
) -> None:
    stays = finished(tmp_path, 0)
    goes = finished(tmp_path, 1, points=2)
    alone = finished(tmp_path, 0, points=1, task="5v6", label="qmix-x")
    where = ["--results", tmp_path]
    code, out, _ = call("rm", "--status", "unfinished", "--yes", *where)
    assert (code, out.splitlines()) == (0, [f"  {goes}", f"  {alone}", "removed 2 runs"])
    assert (stays.exists(), goes.exists()) == (True, False)
    assert not (tmp_path / "skirmish" / "5v6").exists()
    assert call("rm", str(stays.relative_to(tmp_path)), "-y", *where)[0] == 0
    assert tmp_path.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "rm removes what it is told"),
        (["--yes"], "rm removes what it is told"),
        (["--status", "failed", "--yes"], "no run in"),
        (["--algo", "qmx", "--yes"], "did you mean 'qmix'?"),
        (["skirmish/3v3/qmix/seed_7", "--yes"], "there is no run"),
    ],
)
def test_what_names_no_run_removes_none(
    call: Call, tmp_path: Path, arguments: list[str], said: str
) -> None:
    folder = finished(tmp_path, 0)
    code, out, err = call("rm", *arguments, "--results", tmp_path)
    assert (code, out) == (2, "")
    assert said in err
    assert folder.exists()


def test_a_run_that_is_played_or_is_a_link_is_not_removed(call: Call, tmp_path: Path) -> None:
    folder = finished(tmp_path / "there", 0, points=1)
    journal = store.Journal(folder)
    code, _, err = call("rm", folder, "--yes")
    assert (code, "is being played" in err) == (2, True)
    journal.close()
    link = tmp_path / "seed_0"
    link.symlink_to(folder)
    code, _, err = call("rm", link, "--yes")
    assert (code, "is a link" in err) == (2, True)
    assert folder.exists()


def test_runs_of_several_machines_come_into_one_folder(call: Call, tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    finished(one, 0)
    behind = finished(one, 1, points=2)
    ahead = finished(two, 1)
    finished(two, 2)
    same = finished(three, 0)
    before = contents(same)
    code, out, err = call("merge", one, two, "--results", three)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"2 of 4 runs copied into {three}, the others were there"
    found = store.runs(three)
    assert [(record.spec.seed, record.status) for record in found] == [
        (0, "done"),
        (1, "done"),
        (2, "done"),
    ]
    assert contents(same) == before
    assert contents(found[1].folder) == contents(ahead)
    assert behind.exists()
    assert call("merge", one, two, "--results", three)[1].startswith("0 of 4 runs copied")
    assert call("merge", two, "--results", one)[0] == 0  # over the one that is behind
    assert contents(behind) == contents(ahead)


@pytest.mark.parametrize("change", ["rows", "settings", "label"])
def test_two_runs_of_one_identity_are_refused_and_nothing_is_copied(
    call: Call, tmp_path: Path, change: str
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    finished(one, 0)
    finished(two, 5)
    other = finished(two, 0, win=0.25 if change == "rows" else 0.5)
    if change != "rows":
        document = json.loads((other / "spec.json").read_text())
        if change == "settings":
            document["run"]["checkpoint_every"] = 7
        else:
            document["algorithm_config"] = {"gamma": 0.5}
            (other / "spec.json").write_text(json.dumps(document))
            document = json.loads((one / "skirmish/3v3/qmix/seed_0/spec.json").read_text())
            document["algorithm_config"] = {"gamma": 0.9}
            other = one / "skirmish/3v3/qmix/seed_0"
        (other / "spec.json").write_text(json.dumps(document))
    before = contents(one)
    code, out, err = call("merge", two, "--results", one)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "two runs of one identity" in err
    assert contents(one) == before


def test_a_folder_that_holds_no_results_is_refused(call: Call, tmp_path: Path) -> None:
    code, _, err = call("merge", tmp_path / "none", "--results", tmp_path)
    assert (code, "is no results folder" in err) == (2, True)
    code, _, err = call("merge", tmp_path, "--results", tmp_path)
    assert (code, "is no results folder" in err) == (2, True)
