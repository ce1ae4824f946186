"""A damaged checkpoint leads to the one before, a foreign one to a line, neither to other rows."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marlbench import store
from marlbench.grid.status import overview
from marlbench.store import files
from marlbench.store.folder import TRUST
from marlbench.training.checkpoint import newest_agent
from marlbench.training.replay_segments import Damaged
from tests.training.small_runs import StopAfter, play, rows, small_spec

METRICS = ("eval.jsonl", "train.jsonl")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert play(small_spec(), folder) == 0
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a run that was stopped behind two checkpoints."""
    results = tmp_path_factory.mktemp("stopped")
    assert play(small_spec(), store.create(results, small_spec()), stop=StopAfter(130)) == 130
    return results


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the stopped run's folder, within `results`."""
    shutil.copytree(stopped, tmp_path / "results")
    return store.run_folder(tmp_path / "results", small_spec())


def resumed(folder: Path) -> dict[str, Any]:
    """The newest event of an attempt that went on."""
    events = files.read_rows(folder / "events.jsonl")
    return [event for event in events if event["event"] == "resumed"][-1]


def newest(folder: Path, kind: str) -> Path:
    """The newest checkpoint's file of a kind."""
    return max((folder / "checkpoint").glob(f"*.{kind}"))


def other_offset(manifest: Path) -> None:
    """A manifest whose metric files are said to be shorter, as one flipped digit says it."""
    document = json.loads(manifest.read_bytes())
    document["checkpoint"]["extents"]["train.jsonl"][0] -= 8
    manifest.write_text(json.dumps(document))


def flipped(path: Path) -> None:
    """One bit in the middle in the other state."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def piped(path: Path) -> None:
    """Put a pipe in its place, which would be read for ever."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("json", other_offset),
        *(("json", lambda path, text=text: path.write_text(text)) for text in ("{}", "null", "")),
        *((kind, Path.unlink) for kind in ("agent", "position", "copies", "ring")),
        *((kind, flipped) for kind in ("json", "agent", "position", "copies", "ring")),
        *((kind, piped) for kind in ("agent", "copies", "ring")),
    ],
)
def test_damage_leads_to_the_checkpoint_before_with_a_line_in_status(
    folder: Path, undisturbed: Path, kind: str, damage: Callable[[Path], Any]
) -> None:
    damage(newest(folder, kind))
    assert play(small_spec(), folder) == 0
    event = resumed(folder)
    assert event["env_steps"] > 0, "it began anew though a whole checkpoint was there"
    assert len(event["damaged"]) == 1
    for name in METRICS:
        assert rows(folder / name) == rows(undisturbed / name)
    (line,) = (each for each in overview(folder.parents[3]) if "seed 1" in each)
    assert f"went on without {event['damaged'][0]}" in line


def test_no_file_is_of_two_checkpoints(folder: Path, undisturbed: Path) -> None:
    for number in (1, 2):
        copy = folder.with_name(f"without-{number}")
        shutil.copytree(folder, copy)
        manifests = sorted((copy / "checkpoint").glob("*.json"))
        assert len(manifests) == 2
        document = json.loads(manifests[-number].read_bytes())["checkpoint"]
        lost = [entry["file"] for entry in document["files"].values()]
        lost += [s["file"] for ring in document["buffers"].values() for s in ring["segments"]]
        for name in lost:
            (copy / "checkpoint" / name).unlink()
        assert play(small_spec(), copy) == 0
        assert resumed(copy)["env_steps"] > 0
        assert rows(copy / "train.jsonl") == rows(undisturbed / "train.jsonl")


def test_foreign_files_and_folders_are_left_alone(folder: Path, undisturbed: Path) -> None:
    place = folder / "checkpoint"
    (place / "notes.json").write_text("{}")
    (place / "000099.json").mkdir()
    (place / "999999.agent").mkdir()
    (place / "mine").symlink_to(folder.parent)
    assert play(small_spec(), folder) == 0
    assert resumed(folder)["damaged"] == []
    assert resumed(folder)["env_steps"] > 0
    assert rows(folder / "train.jsonl") == rows(undisturbed / "train.jsonl")
    assert {"notes.json", "000099.json", "999999.agent", "mine"} <= set(os.listdir(place))


def test_a_checkpoint_is_bound_to_its_settings(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in METRICS}
    (folder / "spec.json").unlink()
    other = small_spec(checkpoint_every=50)
    store.create(folder.parents[3], other)
    assert play(other, folder) == 1
    failure = files.read_json(folder / "FAILED")
    assert failure
    assert "made with run.checkpoint_every = 60, spec.json says 50" in failure["reason"]
    assert before == {name: (folder / name).read_bytes() for name in METRICS}


def test_a_damaged_metric_file_is_written_anew_from_where_it_is_whole(
    folder: Path, undisturbed: Path
) -> None:
    content = bytearray((folder / "train.jsonl").read_bytes())
    content[-20] ^= 1  # behind the older checkpoint, before the newest
    (folder / "train.jsonl").write_bytes(content)
    assert play(small_spec(), folder) == 0
    assert "metric files" in resumed(folder)["damaged"][0]
    assert rows(folder / "train.jsonl") == rows(undisturbed / "train.jsonl")


# --- what was pickled -----------------------------------------------------------------------------


def test_pickles_of_another_user_are_read_with_trust_alone(
    folder: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of another user"))
    assert play(small_spec(), folder) == 1
    failure = files.read_json(folder / "FAILED")
    assert failure
    assert "--trust goes on" in failure["reason"]
    monkeypatch.setenv(TRUST, "1")
    assert play(small_spec(), folder) == 0
    assert rows(folder / "train.jsonl") == rows(undisturbed / "train.jsonl")


def test_a_key_that_others_can_read_signs_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marlbench.training import own_pickles

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    signature = own_pickles.sign(b"copies")
    assert own_pickles.trusted(b"copies", signature)
    assert not own_pickles.trusted(b"Copies", signature)
    (tmp_path / "state" / "marlbench" / "key").chmod(0o644)
    assert not own_pickles.trusted(b"copies", signature)
    assert own_pickles.sign(b"copies") is None


def test_a_checkpoint_of_an_older_version_is_refused_in_a_line(folder: Path) -> None:
    for path in (folder / "checkpoint").iterdir():
        path.unlink()
    old = {"env_steps": 60, "buffers": {}, "state": {"file": "000001.pt", "crc": 1}, "offsets": {}}
    files.replace_json(folder / "checkpoint" / "000001.json", old)
    assert play(small_spec(), folder) == 1
    failure = files.read_json(folder / "FAILED")
    assert failure
    assert "of an older marlbench" in failure["reason"]
    assert (folder / "checkpoint" / "000001.json").exists()


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["checkpoint", "eval.jsonl", "train.jsonl", "events.jsonl"])
def test_nothing_is_written_or_deleted_through_a_link(
    folder: Path, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    kept = outside.read_bytes() if outside.is_file() else sorted(os.listdir(outside))
    assert play(small_spec(), folder) not in (0, 130)
    assert kept == (outside.read_bytes() if outside.is_file() else sorted(os.listdir(outside)))


def test_an_agent_is_found_without_its_pickles(folder: Path) -> None:
    for path in (folder / "checkpoint").glob("*.copies"):
        path.unlink()
    state, env_steps = newest_agent(folder)
    assert env_steps > 0
    assert set(state) >= {"weights"}
    for path in (folder / "checkpoint").glob("*.agent"):
        path.write_bytes(b"")
    with pytest.raises(Damaged, match="checksum"):
        newest_agent(folder)
