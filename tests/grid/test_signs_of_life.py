"""Workers that live without working: silent, stopped, forked, left by a grid that was killed."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from marlbench.store import Journal, clock, read, writing
from marlbench.store.owner import WORKER, Owner, new_token, place
from tests.grid.test_scheduler import Record, scheduler, scripted

QUIET = """
def tell():
    progress = folder / "progress.json"
    progress.with_name("new").write_text('{"env_steps": 7, "time": 0.0, "silent_minutes": 0.03}')
    progress.with_name("new").replace(progress)
tell()
"""
"""A worker that gives one sign of life and says how long it may be silent."""
LEAVE = """
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], %s)
(folder / "left").write_text(str(left.pid))
"""


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process is dead, or is so within the time that the system needs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def wait_for(said: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


@pytest.mark.parametrize("hang", ["time.sleep(60)", "os.kill(os.getpid(), signal.SIGSTOP)"])
def test_a_worker_without_a_sign_of_life_is_killed_and_tried_again(
    tmp_path: Path, hang: str
) -> None:
    (folder,) = scripted(tmp_path, f"{QUIET}\nif attempt == 1: {hang}")
    record = Record()
    assert scheduler(record, listen=0.1).run([folder]).failures == {}
    (why,) = [str(said) for word, _, said in record.said if word == "retrying"]
    assert re.fullmatch(r"silent for 0\.0\d* min, killed", why)
    assert len(list(folder.glob("began-*"))) == 2


def test_a_worker_that_speaks_now_and_then_is_left_alone(tmp_path: Path) -> None:
    talk = "for _ in range(30): time.sleep(0.1); tell()"
    (folder,) = scripted(tmp_path, f"{QUIET}\n{talk}")
    record = Record()
    assert scheduler(record, listen=0.1).run([folder]).failures == {}
    assert [word for word, *_ in record.said] == ["started", "finished"]


def test_a_suites_limit_is_not_for_the_start_of_the_next_worker(tmp_path: Path) -> None:
    """It is left in `progress.json` by the one before."""
    slow_start = f"if attempt == 2: time.sleep(4)\n{QUIET}\nif attempt == 1: time.sleep(60)"
    (folder,) = scripted(tmp_path, slow_start)
    record = Record()
    assert scheduler(record, listen=0.1).run([folder]).failures == {}
    assert len(list(folder.glob("began-*"))) == 2


def test_a_user_may_say_how_long_a_worker_is_silent(tmp_path: Path) -> None:
    (folder,) = scripted(tmp_path, "if attempt == 1: time.sleep(60)")
    spec = read(folder).spec
    run = spec.run.model_copy(update={"silent_minutes": 0.03})
    document = spec.model_copy(update={"run": run}).model_dump_json()
    (folder / "spec.json").write_text(document)
    assert scheduler(Record(), listen=0.1).run([folder]).failures == {}


def test_status_says_for_how_long_a_worker_was_silent_by_a_clock_that_nobody_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = scripted(tmp_path, "pass")
    journal = Journal(folder)
    journal.write_progress({"env_steps": 7, "silent_minutes": 30.0})
    progress = read(folder).progress or {}
    assert (clock.silence(progress) or 0.0) < 5
    monkeypatch.setattr(time, "time", lambda: 4e9)  # somebody sets the clock
    assert (clock.silence(progress) or 0.0) < 5
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 600)
    assert (clock.silence(progress) or 0.0) == pytest.approx(600, abs=5)
    assert clock.silence(progress | {"place": "another host"}) is None
    journal.close()


@pytest.mark.parametrize("how", ["", "start_new_session=True"])
def test_whatever_session_a_workers_child_went_to_it_ends_with_the_worker(
    tmp_path: Path, how: str
) -> None:
    (folder,) = scripted(tmp_path, "import subprocess" + LEAVE % how)
    scheduler(Record()).run([folder])
    assert gone(int((folder / "left").read_text()))


def test_a_hung_worker_ends_with_all_that_it_started_marked_or_not(tmp_path: Path) -> None:
    left = "import subprocess" + LEAVE % "start_new_session=True, env={}"
    (folder,) = scripted(
        tmp_path, f"{QUIET}\nif attempt == 1:\n    exec({left!r})\n    time.sleep(60)"
    )
    assert scheduler(Record(), listen=0.1).run([folder]).failures == {}
    assert gone(int((folder / "left").read_text()))


FORKED = {
    "by Python": "os.fork()",
    "by a simulator": "__import__('ctypes').CDLL(None).fork()",  # no hook of Python's is called
}


@pytest.mark.parametrize("fork", FORKED.values(), ids=FORKED.keys())
def test_a_forked_child_that_outlives_its_worker_blocks_nothing(tmp_path: Path, fork: str) -> None:
    script = f"""
from marlbench.store import Journal
if attempt == 1:
    journal = Journal(folder)
    if {fork} == 0:
        os.setsid()
        os.environ.clear()
        (folder / "child").write_text(str(os.getpid()))
        time.sleep(60)
        os._exit(0)
    while not (folder / "child").exists():
        time.sleep(0.01)
    os._exit(9)
"""
    (folder,) = scripted(tmp_path, script)
    began = time.monotonic()
    assert scheduler(Record()).run([folder]).failures == {}
    assert time.monotonic() - began < 20  # the child itself would sleep for 60 s
    assert gone(int((folder / "child").read_text()))


def test_a_lock_whose_owner_is_dead_counts_for_nothing(tmp_path: Path) -> None:
    """So though the child that holds it cannot be found."""
    code = f"""
import ctypes, os, time
from pathlib import Path
from marlbench.store import Journal
journal = Journal(Path({str(tmp_path)!r}))
child = ctypes.CDLL(None).fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
os._exit(0)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
    try:
        assert not gone(child, 0.1)
        assert not writing.alive(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # JAX's, once a test has loaded it
def test_a_forked_child_does_not_write(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    pid = os.fork()
    if pid == 0:
        try:
            journal.append_update({"x": 1})
        except writing.Superseded:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert writing.alive(tmp_path)  # the child gave up its own hold alone
    journal.close()
    assert not writing.alive(tmp_path)


GRID = """
import sys
from pathlib import Path
from marlbench.grid.scheduler import Scheduler
from marlbench.grid.slots import Slot
from tests.grid.test_scheduler import CHILD, Record
slots = [Slot(f"cpu {n}", "", 1) for n in range(3)]
folders = [Path(each) for each in sys.argv[1:]]
Scheduler(slots, Record(), poll=0.02, command=(sys.executable, "-c", CHILD)).run(folders)
"""
PLAY = """
from marlbench.store import Journal
journal = Journal(folder)
def stop(*_):
    journal.append_event("checkpoint", env_steps=attempt)
    (folder / "heard").touch()
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
(folder / "ready").touch()
while not (folder.parent / "go").exists():
    time.sleep(0.02)
"""


def left_by_a_killed_grid(folders: list[Path]) -> None:
    """Let a grid of three slots begin with these, and kill it."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", GRID, *map(str, folders)]
    with subprocess.Popen(command, env=environment) as grid:
        wait_for(lambda: all((folder / "ready").exists() for folder in folders[:3]))
        grid.kill()


def test_workers_that_a_killed_grid_left_are_adopted_and_those_too_many_stopped(
    tmp_path: Path,
) -> None:
    folders = scripted(tmp_path, *[PLAY] * 4)
    left_by_a_killed_grid(folders)
    playing = [folder for folder in folders if writing.alive(folder)]
    assert playing == folders[:3]
    assert all(writing.orphan(folder) for folder in playing)

    class Looker(Record):
        """Lets all end once the one that is too many has stopped; counts who plays."""

        together: int = 0

        def tick(self) -> None:
            if (folders[2] / "heard").exists() and not writing.alive(folders[2]):
                self.together = max(self.together, sum(map(writing.alive, folders)))
                (tmp_path / "go").touch()

    looker = Looker()
    assert scheduler(looker, look=0.1).run(folders).failures == {}
    assert looker.together == 2  # as many as there are slots
    assert [len(list(folder.glob("began-*"))) for folder in folders] == [1, 1, 2, 1]
    assert looker.most <= 2


def test_the_worker_of_a_living_grid_is_not_adopted(tmp_path: Path) -> None:
    (folder,) = scripted(tmp_path, PLAY)

    class Asker(Record):
        """Asks whether the worker is an orphan, then lets it end."""

        orphan: object = "not asked"

        def tick(self) -> None:
            if (folder / "ready").exists():
                self.orphan = writing.orphan(folder)
                (tmp_path / "go").touch()

    asker = Asker()
    assert scheduler(asker).run([folder]).failures == {}
    assert asker.orphan is None


def test_an_adopted_worker_that_dies_is_tried_again_and_that_hangs_is_killed(
    tmp_path: Path,
) -> None:
    hang = "if attempt == 1: journal.write_progress({'silent_minutes': 0.05}); time.sleep(60)"
    dying = PLAY + "if attempt == 1: os.kill(os.getpid(), signal.SIGKILL)"
    folders = scripted(tmp_path, dying, f"{PLAY}\n{hang}")
    left_by_a_killed_grid([*folders, *folders[:1]][:2])
    (tmp_path / "go").touch()
    record = Record()
    assert scheduler(record, listen=0.1).run(folders).failures == {}
    assert [len(list(folder.glob("began-*"))) for folder in folders] == [2, 2]


@pytest.mark.parametrize("marked", [False, True])
def test_a_made_up_folder_names_no_process_of_ours(tmp_path: Path, marked: bool) -> None:
    """An attempt's file is data: it may name a process, and even the mark of another run."""
    token = new_token(tmp_path / "another")
    environment = os.environ | ({WORKER: token} if marked else {})
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleep, env=environment) as bystander:
        (folder,) = scripted(tmp_path, "pass")
        (folder / "attempts").mkdir()
        dead = 2**22 - 1  # no process has this number
        for pid in (bystander.pid, dead):
            handle = os.open(folder / "attempts" / "1", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            Owner(pid, place(), token).write(handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
            assert writing.orphan(folder) is None
            os.close(handle)
        assert scheduler(Record()).run([folder]).failures == {}
        assert bystander.poll() is None
        bystander.kill()
