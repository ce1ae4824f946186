"""A run's folder: one writer, atomic files, and readers that bear a torn line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from marlbench import store
from marlbench.config import RunConfig, RunSpec
from marlbench.store import Journal, SpecConflict, Superseded, files, reading, tidy


def a_spec(**changes: object) -> RunSpec:
    """A document for these tests."""
    fields = {"suite": "probe", "task": "count", "algorithm": "qmix", "label": "qmix", "seed": 1}
    return RunSpec.model_validate({**fields, **changes})


def evaluation_row(step: int) -> dict[str, object]:
    """A row as workers write it."""
    wall = {"time": "2026-01-01T00:00:00+00:00", "seconds": 1.5}
    numbers = {"metrics": {"return": 2.0}, "length": 3.0, "episodes": 1, "crashed": 0}
    lists = {"values": {"return": [2.0]}, "lengths": [3]}
    return {"step": step, "env_steps": step, **numbers, **lists, "wall": wall}


def test_the_folder_says_suite_task_label_and_seed(tmp_path: Path) -> None:
    folder = store.run_folder(tmp_path, a_spec())
    assert folder == tmp_path / "probe" / "count" / "qmix" / "seed_1"


def test_odd_names_stay_inside_the_results_and_apart() -> None:
    odd = ["../up", "..", "a/b", "a b", "a%2Fb", "5_vs_5", "m:Class"]
    folders = [store.run_folder(Path("r"), a_spec(task=name)) for name in odd]
    assert len(set(folders)) == len(odd)
    assert all(len(folder.parts) == 5 and ".." not in folder.parts for folder in folders)


def test_settings_of_the_suite_make_another_task() -> None:
    spec = a_spec(suite_changes={"sight": 4.0})
    assert spec.row == "count [sight=4.0]"
    folder = Path("r", "probe", "count[sight=4.0]", "qmix", "seed_1")
    assert store.run_folder(Path("r"), spec) == folder
    of_that_name = a_spec(task="count[sight=4.0]")
    assert store.run_folder(Path("r"), of_that_name) != folder
    nested = a_spec(suite_changes={"kwargs": {"a/b": "../.."}})
    assert re.fullmatch(
        r"r/probe/count\[[0-9a-f]{8}\]/qmix/seed_1",
        store.run_folder(Path("r"), nested).as_posix(),
    )


def test_who_is_told_its_index_makes_another_task() -> None:
    plain, told = (a_spec(run={"steps": 10, "agent_index": x}) for x in ("as its paper", "always"))
    assert plain.row == "count"
    assert told.row == "count [run.agent_index=always]"
    assert store.run_folder(Path(), told).parts[1] == "count[run.agent_index=always]"
    both = told.model_copy(update={"suite_changes": {"sight": 4.0}})
    assert both.row == "count [sight=4.0, run.agent_index=always]"


def test_both_tasks_are_read_each_under_its_own_name(tmp_path: Path) -> None:
    for changes in ({}, {"sight": 4.0}):
        journal = Journal(store.create(tmp_path, a_spec(suite_changes=changes)))
        journal.append_evaluation(evaluation_row(0))
        journal.close()
    assert tidy.evaluations(store.runs(tmp_path))["task"].tolist() == ["count", "count [sight=4.0]"]


def test_creating_twice_is_resuming(tmp_path: Path) -> None:
    folder = store.create(tmp_path, a_spec())
    assert store.create(tmp_path, a_spec(origins={"run.steps": "file"}, presets=("quick",)))
    assert store.read_spec(folder) == a_spec()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"run": RunConfig(steps=7)}, ["run.steps", "400000", "7"]),
        ({"algorithm_config": {"gamma": 0.9}}, ["algorithm.gamma", "None", "0.9"]),
        ({"suite_config": {"sight": 3}}, ["suite.sight", "None", "3"]),
        ({"algorithm": "vdn"}, ["algorithm", "qmix", "vdn"]),
    ],
)
def test_another_setting_in_the_same_folder_is_a_conflict_that_names_it(
    tmp_path: Path, change: dict[str, object], words: list[str]
) -> None:
    store.create(tmp_path, a_spec())
    with pytest.raises(SpecConflict) as caught:
        store.create(tmp_path, a_spec(**change))
    assert all(word in str(caught.value) for word in [*words, "--results", "seed_1"])
    assert "\n" not in str(caught.value)


def test_machine_settings_may_change_until_the_run_is_done(tmp_path: Path) -> None:
    moved = a_spec(run=RunConfig(device="cpu", threads=4))
    folder = store.create(tmp_path, a_spec())
    store.create(tmp_path, moved)
    assert store.read_spec(folder) == moved
    (folder / "DONE").touch()
    store.create(tmp_path, a_spec())
    assert store.read_spec(folder) == moved


def test_a_newer_attempt_silences_the_older_one(tmp_path: Path) -> None:
    old = Journal(tmp_path)
    old.append_update({"update": 1})
    new = Journal(tmp_path)
    assert new.attempt == old.attempt + 1
    writes: list[Callable[[], None]] = [
        lambda: old.append_update({}),
        lambda: old.write_picture("a", 0, np.zeros((2, 2, 3), np.uint8)),
        lambda: old.append_evaluation({}),
        lambda: old.append_event("done"),
        lambda: old.write_progress({}),
        lambda: old.write_provenance({}),
        lambda: old.rewind(None),
        lambda: old.write_failed("no", ""),
        lambda: old.write_done({}),
    ]
    for write in writes:
        with pytest.raises(Superseded):
            write()
    assert files.read_rows(tmp_path / "train.jsonl") == [{"update": 1}]
    assert not (tmp_path / "FAILED").exists()
    assert not (tmp_path / "DONE").exists()
    assert not (tmp_path / "pictures").exists()


def test_a_picture_comes_back_as_it_was_and_takes_the_place_of_the_one_before(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    for shade in (10, 0):
        picture = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3) + np.uint8(shade)
        journal.write_picture("a/b", 2000, picture)
    (path,) = (tmp_path / "pictures").iterdir()
    assert path.name == "a%2Fb-000002000.png"
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), picture)


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 2, 3)), np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8)]
)
def test_what_is_no_picture_is_refused_and_leaves_no_file(
    tmp_path: Path, wrong: NDArray[Any]
) -> None:
    with pytest.raises(ValueError, match=r"a-000000000.png: a picture is uint8 .*, not"):
        Journal(tmp_path).write_picture("a", 0, wrong)
    assert list((tmp_path / "pictures").iterdir()) == []


CLAIM = "import sys; from pathlib import Path; from marlbench.store import Journal; "
CLAIM += "print(*(Journal(Path(sys.argv[1])).attempt for _ in range(50)))"


def test_attempt_numbers_are_taken_once_however_many_ask(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CLAIM, str(tmp_path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    answers = [worker.communicate()[0].decode().split() for worker in workers]
    numbers = [int(number) for answer in answers for number in answer]
    assert sorted(numbers) == list(range(1, 151))


def test_rewinding_leaves_the_rows_of_the_checkpoint(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append_evaluation({"step": 0})
    journal.append_update({"update": 1})
    extents = journal.extents()
    journal.append_evaluation({"step": 10})
    journal.append_update({"update": 2})
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write('{"update": 3, "met')
    assert journal.reaches(extents)
    journal.rewind(extents)
    assert files.read_rows(tmp_path / "eval.jsonl") == [{"step": 0}]
    assert files.read_rows(tmp_path / "train.jsonl") == [{"update": 1}]
    journal.rewind(None)
    assert journal.extents() == {"eval.jsonl": (0, 0), "train.jsonl": (0, 0)}
    assert not journal.reaches(extents)


def test_a_torn_event_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    Journal(tmp_path).append_event("attempt")
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "chec')
    Journal(tmp_path).append_event("attempt")
    assert [row["attempt"] for row in files.read_rows(tmp_path / "events.jsonl")] == [1, 2]


def test_every_attempt_keeps_what_the_earlier_ones_ran_on(tmp_path: Path) -> None:
    for host in ("a", "b", "c"):
        Journal(tmp_path).write_provenance({"host": host})
    document = files.read_json(tmp_path / "provenance.json")
    assert document is not None
    assert (document["host"], document["attempt"]) == ("c", 3)
    assert [entry["host"] for entry in document["earlier_attempts"]] == ["a", "b"]


def test_a_replacement_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    files.replace_json(path, {"a": 1})
    with pytest.raises(TypeError):
        files.replace_json(path, {"a": object()})
    assert files.read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


WRITER = """
import sys
from collections.abc import Callable
from pathlib import Path
from marlbench.store import files
number = 0
while True:
    number += 1
    files.replace_json(Path(sys.argv[1]), {"n": number, "padding": "x" * 20000})
    files.append_row(Path(sys.argv[2]), {"n": number, "padding": "x" * 20000})
    if number == 5:
        print("on it", flush=True)
"""


def test_a_kill_in_the_midst_of_writing_leaves_whole_files(tmp_path: Path) -> None:
    whole, rows = tmp_path / "x.json", tmp_path / "x.jsonl"
    for _ in range(3):
        rows.unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(whole), str(rows)], stdout=subprocess.PIPE
        ) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            worker.send_signal(signal.SIGKILL)
        document = json.loads(whole.read_bytes())
        assert len(document["padding"]) == 20000
        numbers = [row["n"] for row in files.read_rows(rows)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert document["n"] in (len(numbers), len(numbers) + 1)


def test_status_tells_waiting_running_unfinished_failed_and_done(tmp_path: Path) -> None:
    folder = store.create(tmp_path, a_spec())

    def status() -> str:
        return store.runs(tmp_path)[0].status

    assert status() == "waiting"
    journal = Journal(folder)
    assert status() == "running"
    journal.close()
    assert status() == "unfinished"
    journal.write_failed("ValueError: no", "Traceback ...")
    assert status() == "failed"
    assert store.runs(tmp_path)[0].failure == {
        "reason": "ValueError: no",
        "traceback": "Traceback ...",
    }
    journal = Journal(folder)
    journal.write_done({"env_steps": 5})
    journal.close()
    assert status() == "done"


def test_a_worker_that_was_killed_is_not_running(tmp_path: Path) -> None:
    folder = store.create(tmp_path, a_spec())
    code = "import sys, time; from pathlib import Path; from marlbench.store import Journal; "
    code += "j = Journal(Path(sys.argv[1])); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        assert store.runs(tmp_path)[0].status == "running"
        os.kill(worker.pid, signal.SIGKILL)
    assert store.runs(tmp_path)[0].status == "unfinished"


def test_a_worker_on_another_machine_is_judged_by_its_last_sign_of_life(tmp_path: Path) -> None:
    folder = store.create(tmp_path, a_spec())
    journal = Journal(folder)
    journal.write_provenance({"host": "some other machine"})
    journal.write_progress({"env_steps": 3})
    journal.close()
    assert reading.read(folder).status == "running"
    files.replace_json(folder / "FAILED", {"reason": "the loss is not finite"})
    assert reading.read(folder).status == "failed"  # it said so itself
    (folder / "FAILED").unlink()
    old = {"env_steps": 3, "time": 1.0}
    files.replace_json(folder / "progress.json", old)
    assert reading.read(folder).status == "unfinished"


def test_runs_come_in_the_order_that_people_expect(tmp_path: Path) -> None:
    for task in ("10_vs_11", "5_vs_5"):
        for seed in (10, 9):
            store.create(tmp_path, a_spec(task=task, seed=seed))
    found = [(record.spec.task, record.spec.seed) for record in store.runs(tmp_path)]
    assert found == [("5_vs_5", 9), ("5_vs_5", 10), ("10_vs_11", 9), ("10_vs_11", 10)]


def test_a_folder_of_another_version_is_left_out_with_a_warning(tmp_path: Path) -> None:
    folder = store.create(tmp_path, a_spec())
    store.create(tmp_path, a_spec(seed=2))
    (folder / "spec.json").write_text('{"format": 99}')
    with pytest.warns(UserWarning, match=r"seed_1 is left out, .*: spec.json: format: "):
        found = store.runs(tmp_path)
    assert [record.spec.seed for record in found] == [2]


def test_a_run_with_a_damaged_row_is_left_out_with_a_warning_that_names_the_row(
    tmp_path: Path,
) -> None:
    for seed in (1, 2):
        journal = Journal(store.create(tmp_path, a_spec(seed=seed)))
        journal.append_evaluation(evaluation_row(0))
        journal.close()
    with (store.run_folder(tmp_path, a_spec()) / "eval.jsonl").open("a") as file:
        file.write("\0\0\0\n")
    with pytest.warns(UserWarning, match="seed_1 is left out, .* eval.jsonl, row 2: .*; move it"):
        assert [record.spec.seed for record in store.runs(tmp_path)] == [2]


@pytest.mark.parametrize(
    ("name", "text"),
    [("events.jsonl", "{torn\n"), ("eval.jsonl", "null\n"), ("provenance.json", "[1]")],
)
def test_one_damaged_file_costs_its_run_alone(tmp_path: Path, name: str, text: str) -> None:
    folder = store.create(tmp_path, a_spec())
    store.create(tmp_path, a_spec(seed=2))
    (folder / name).write_text(text)
    with pytest.warns(UserWarning, match=f"seed_1 is left out, it cannot be read: {name}.*; move"):
        assert [record.spec.seed for record in store.runs(tmp_path)] == [2]


def test_a_folder_that_was_moved_aside_does_not_count_again(tmp_path: Path) -> None:
    folder = store.create(tmp_path, a_spec())
    aside = folder.with_name("seed_1_old")
    folder.rename(aside)
    store.create(tmp_path, a_spec())
    with pytest.warns(
        UserWarning, match=r"seed_1_old is left out, its settings belong in .*seed_1"
    ):
        (record,) = store.runs(tmp_path)
    assert record.folder == folder


def test_a_crash_that_a_killed_run_meets_again_counts_once(tmp_path: Path) -> None:
    journal = Journal(store.create(tmp_path, a_spec()))
    for steps in (10, 150):
        journal.append_event("env_crash", env_steps=steps, during="training")
    journal.append_event("env_crash", env_steps=160, during="evaluation")
    journal.append_event("resumed", env_steps=100)
    journal.append_event("env_crash", env_steps=150, during="training")
    journal.close()
    (record,) = store.runs(tmp_path)
    assert record.crashes() == {"training": 2}


def test_a_torn_progress_costs_nothing_but_the_progress(tmp_path: Path) -> None:
    folder = store.create(tmp_path, a_spec())
    (folder / "progress.json").write_text('{"env_st')
    (record,) = store.runs(tmp_path)
    assert (record.progress, record.status) == (None, "waiting")


def test_load_gives_a_row_per_evaluation_and_bears_a_torn_line(tmp_path: Path) -> None:
    folder = store.create(tmp_path, a_spec())
    journal = Journal(folder)
    journal.write_provenance({"env": {"simulator": "probe 1"}, "execution": "decentralised"})
    journal.append_evaluation(evaluation_row(0))
    journal.append_evaluation(evaluation_row(10))
    journal.close()
    with (folder / "eval.jsonl").open("a") as file:
        file.write('{"step": 20, "met')
    table = tidy.evaluations(store.runs(tmp_path))
    assert table["step"].tolist() == [0, 10]
    assert table["return"].tolist() == [2.0, 2.0]
    assert table["simulator"].tolist() == ["probe 1"] * 2
    assert table["status"].tolist() == ["unfinished"] * 2
    assert table["kind"].tolist() == ["curve"] * 2


def test_rows_of_before_metrics_were_declared_are_read_as_todays(tmp_path: Path) -> None:
    old = {"step": 0, "return": 2.0, "win": 0.5, "returns": [1.0, 3.0], "wins": [False, True]}
    folder = store.create(tmp_path, a_spec())
    (folder / "eval.jsonl").write_text(json.dumps(old) + "\n")
    (row,) = reading.read(folder).evaluations()
    assert row["metrics"] == {"return": 2.0, "win": 0.5}
    assert row["values"] == {"return": [1.0, 3.0], "win": [0.0, 1.0]}
    assert row.keys() == {"step", "metrics", "values"}


@pytest.mark.parametrize("name", tidy.__all__)
def test_tables_of_nothing_have_their_columns(tmp_path: Path, name: str) -> None:
    table = getattr(tidy, name)(store.runs(tmp_path))
    assert len(table) == 0
    assert list(table.columns)[: len(tidy.WHOSE)] == list(tidy.WHOSE)


def test_reading_needs_neither_torch_nor_pandas(tmp_path: Path) -> None:
    store.create(tmp_path, a_spec())
    code = "import sys; from pathlib import Path; from marlbench.store import runs; "
    code += "assert runs(Path(sys.argv[1])); assert not {'torch', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_a_row_that_a_superseded_worker_writes_late_is_dropped(tmp_path: Path) -> None:
    folder = store.create(tmp_path, a_spec())
    late = Journal(folder)
    late.append_evaluation(evaluation_row(0) | {"wall": late.wall()})
    late.append_evaluation(evaluation_row(100) | {"wall": late.wall()})
    held = evaluation_row(200) | {"wall": late.wall()}  # it has looked, and is about to write
    newer = Journal(folder)
    newer.rewind(newer.extents())
    for step in (200, 300):
        newer.append_evaluation(evaluation_row(step) | {"wall": newer.wall()})
    files.append_row(folder / "eval.jsonl", held | {"length": 99.0})
    newer.append_evaluation(evaluation_row(400) | {"wall": newer.wall()})
    rows = reading.read(folder).evaluations()
    assert [row["step"] for row in rows] == [0, 100, 200, 300, 400]
    assert all(row["length"] == 3.0 for row in rows)
