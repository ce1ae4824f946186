"""Full disks, closed folders and logs: the right reason, no attempt used up, and on when it can."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from marlbench import store
from marlbench.exit_codes import ExitCode
from marlbench.grid import logs
from marlbench.grid.board import Board
from marlbench.grid.plain import PlainView
from marlbench.store import files
from tests.grid.test_scheduler import Record, scheduler, scripted
from tests.training.small_runs import play, rows, small_spec

ROOT = Path(__file__).parents[2]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 1 MiB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if subprocess.run(mounted, check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on a disk."""
    with suppress(OSError), (disk / "full").open("wb", 0) as file:
        while file.write(bytes(4096)):
            pass
    return disk / "full"


class Sweeper(Record):
    """Makes room once it was told that there is none."""

    def __init__(self, *doors: Callable[[], object]) -> None:
        super().__init__()
        self.sweep = doors

    def retrying(self, folder: Path, reason: str, seconds: float) -> None:
        """Note the reason."""
        self.said.append(("retrying", folder.name, reason))

    def tick(self) -> None:
        """Take away what is in the way, or give the folder back."""
        if self.said and self.said[-1][0] == "retrying":
            for door in self.sweep:
                door()


def test_a_full_disk_pauses_the_queue_and_burns_nothing(disk: Path) -> None:
    folders = scripted(disk, *["pass"] * 3)
    full = fill(disk)
    sweeper = Sweeper(lambda: full.unlink(missing_ok=True))
    assert scheduler(sweeper, look=0.2).run(folders).failures == {}
    reasons = {said for word, _, said in sweeper.said if word == "retrying"}
    assert reasons == {"its folder cannot be written (No space left on device)"}
    assert [len(list(folder.glob("began-*"))) for folder in folders] == [1, 1, 1]


def test_a_read_only_disk_pauses_the_queue(disk: Path) -> None:
    (folder,) = scripted(disk, "pass")

    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)

    remount("ro")
    sweeper = Sweeper(lambda: remount("rw"))
    assert scheduler(sweeper, look=0.2).run([folder]).failures == {}
    assert ("retrying", "run_0", "its folder cannot be written (Read-only file system)") in (
        sweeper.said
    )


def test_a_worker_that_finds_no_room_uses_up_no_attempt(tmp_path: Path) -> None:
    """Six times, where three deaths would have been the end of it."""
    (folder,) = scripted(tmp_path, "if attempt < 7: sys.exit(74)")
    record = Record()
    assert scheduler(record, look=0.02).run([folder]).failures == {}
    assert [attempt for word, _, attempt in record.said if word == "started"] == [1] * 7
    told = [said for word, _, said in record.said if word == "retrying"]
    assert told == ["its worker could not write (see worker.log)"] * 6  # none of them in silence


def test_a_run_that_meets_a_full_disk_goes_on_to_the_very_rows(disk: Path, tmp_path: Path) -> None:
    spec = small_spec()
    whole, short = store.create(tmp_path / "whole", spec), store.create(disk, spec)
    assert play(spec, whole) == ExitCode.OK
    full = fill(disk)
    os.truncate(full, full.stat().st_size - 60_000)  # for an evaluation, not for all
    assert play(spec, short) == ExitCode.UNWRITABLE
    assert not (short / "FAILED").exists()
    full.unlink()
    assert play(spec, short) == ExitCode.OK
    for name in ("eval.jsonl", "train.jsonl"):
        assert rows(short / name) == rows(whole / name)


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # JAX's, once a test has loaded it
def test_a_limit_on_files_is_no_failure_of_the_run(tmp_path: Path) -> None:
    """As a quota of the disk, for whoever may not mount one."""
    spec = small_spec()
    whole, short = store.create(tmp_path / "whole", spec), store.create(tmp_path / "short", spec)
    assert play(spec, whole) == ExitCode.OK
    command = [sys.executable, "-P", "-m", "tests.training.small_runs", str(short)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))  # noqa: E731
    tried = subprocess.run(
        command, check=False, capture_output=True, text=True, preexec_fn=limit, env=environment
    )
    assert tried.returncode == ExitCode.UNWRITABLE, tried.stderr
    assert "File too large" in tried.stderr
    assert not (short / "FAILED").exists()
    assert play(spec, short) == ExitCode.OK
    for name in ("eval.jsonl", "train.jsonl"):
        assert rows(short / name) == rows(whole / name)


def test_a_row_for_which_there_is_no_room_leaves_no_part_of_it(disk: Path) -> None:
    file = disk / "rows.jsonl"
    files.append_row(file, {"x": 1})
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        files.append_row(file, {"x": "y" * 50_000})  # a part of it has room in the last page
    assert file.read_bytes() == b'{"x": 1}\n'


def test_an_error_of_a_plugin_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    closed = PermissionError(errno.EACCES, "Permission denied", "/root/secret")
    assert not files.no_room(closed, tmp_path)
    assert files.no_room(PermissionError(errno.EACCES, "no", str(tmp_path / "DONE")), tmp_path)
    assert files.no_room(OSError(errno.ENOSPC, "No space left on device"), tmp_path)


def test_a_log_that_cannot_be_opened_is_told_and_costs_its_run_alone(tmp_path: Path) -> None:
    bad, linked, good = scripted(tmp_path, "pass", "pass", "pass")
    (bad / "worker.log").mkdir()
    (linked / "worker.log").symlink_to(tmp_path / "elsewhere")
    outcome = scheduler(Record()).run([bad, linked, good])
    assert outcome.failures == {
        bad: "worker.log cannot be written: Is a directory; move it away",
        linked: "worker.log cannot be written: Too many levels of symbolic links; move it away",
    }
    assert (good / "DONE").exists()
    assert not (tmp_path / "elsewhere").exists()


def test_a_log_is_cut_to_its_end_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LONGEST", 100_000)
    monkeypatch.setattr(logs, "KEPT", 1_000)
    flood = """
for number in range(40):
    print("x" * 9_999, flush=True)
    time.sleep(0.05)
sys.exit("the last words")
"""
    (folder,) = scripted(tmp_path, flood)
    outcome = scheduler(Record(), attempts=1, listen=0.05).run([folder])
    log = (folder / "worker.log").read_text()
    assert len(log) < 200_000
    assert log.startswith("marlbench: 0 MB that stood here are gone, a log is 0 MiB at most\n")
    assert outcome.failures[folder].startswith("the last words")


def test_what_an_environment_prints_onto_a_full_disk_is_lost_and_no_crash() -> None:
    code = """
from marlbench.training.printing import print_forgivingly
print_forgivingly()
print("x" * 100_000, flush=True)
"""
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_grid_whose_output_finds_no_room_plays_on(tmp_path: Path) -> None:
    (folder,) = scripted(tmp_path, "pass")
    with Path("/dev/full").open("w") as full, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        view = PlainView(Board([(folder, store.read_spec(folder))], 1), every=0.0)
        outcome = scheduler(view).run([folder])  # type: ignore[arg-type]
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # so that it can be closed
    assert outcome.failures == {}
    assert (folder / "DONE").exists()


def test_what_no_room_would_mend_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store.create(tmp_path, small_spec())
    (folder / "attempts").touch()  # a file in place of the folder
    assert play(small_spec(), folder) == ExitCode.FAILED  # after three of them it is given up
    assert "cannot be written: FileExistsError" in capsys.readouterr().err
