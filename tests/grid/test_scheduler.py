"""Slots kept busy with real workers: ends, failures, kills and interrupts."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from marlbench.config import RunSpec
from marlbench.executors import Resources
from marlbench.grid.plan import Request, make_plan
from marlbench.grid.scheduler import Scheduler
from marlbench.grid.slots import Slot, slots
from marlbench.host import load_catalogue
from marlbench.overrides import parse_set
from marlbench.store import Journal, create, runs

Handler = Callable[[int, FrameType | None], Any] | signal.Handlers | int | None
"""What `signal.signal` takes and gives."""

SLOTS = [Slot("cpu 0", "", 1), Slot("cpu 1", "", 1)]
CHILD = """
import json, os, signal, sys, time
from pathlib import Path

folder = Path(sys.argv[1])
attempt = len(list(folder.glob("began-*"))) + 1
(folder / f"began-{attempt}").touch()
exec((folder / "script").read_text())
(folder / "DONE").write_text("{}")
"""
"""A worker that does what its folder's script says."""
HEAR_AND_STOP = """
def stop(*_):
    (folder / "checkpoint").touch()
    (folder / "events.jsonl").write_text('{"event": "interrupted"}\\n')
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
(folder / "ready").touch()
time.sleep(60)
"""
STAY_DEAF = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
(folder / "ready").touch()
time.sleep(60)
"""
DIE = "os.kill(os.getpid(), signal.SIGKILL)"


@dataclass
class Record:
    """Writes down what a scheduler tells."""

    said: list[tuple[str, str, object]] = field(default_factory=list)
    busy: int = 0
    most: int = 0

    def started(self, folder: Path, attempt: int) -> None:
        """Count the busy slots."""
        self.said.append(("started", folder.name, attempt))
        self.busy += 1
        self.most = max(self.most, self.busy)

    def retrying(self, folder: Path, reason: str, seconds: float) -> None:
        """Note the reason."""
        self.said.append(("retrying", folder.name, reason))
        self.busy -= 1

    def finished(self, folder: Path, failure: str | None) -> None:
        """Note the failure."""
        self.said.append(("finished", folder.name, failure))
        self.busy -= 1

    def stopping(self, workers: int, seconds: float) -> None:
        """Note that the request was heard."""
        self.said.append(("stopping", "", workers))

    def tick(self) -> None:
        """Do nothing."""


@dataclass
class Interrupter(Record):
    """Sends this process a signal as soon as all workers are ready."""

    folders: list[Path] = field(default_factory=list)
    number: int = signal.SIGINT

    def tick(self) -> None:
        """Signal once."""
        if self.folders and all((folder / "ready").exists() for folder in self.folders):
            self.folders = []
            os.kill(os.getpid(), self.number)


def scripted(folder: Path, *scripts: str) -> list[Path]:
    """Folders of runs that do what these scripts say."""
    made = []
    for index, script in enumerate(scripts):
        made.append(folder / f"run_{index}")
        made[-1].mkdir()
        spec = RunSpec(suite="s", task="t", algorithm="a", label="a", seed=index)
        (made[-1] / "spec.json").write_text(spec.model_dump_json())
        (made[-1] / "script").write_text(script)
    return made


def scheduler(record: Record, slots: int = 2, **settings: Any) -> Scheduler:
    """A quick scheduler of scripted workers."""
    command = (sys.executable, "-c", CHILD)
    return Scheduler(SLOTS[:slots], record, backoff=0.05, poll=0.02, command=command, **settings)


def test_runs_share_the_slots_in_their_order_and_all_end(tmp_path: Path) -> None:
    record = Record()
    outcome = scheduler(record).run(scripted(tmp_path, *["time.sleep(0.2)"] * 5))
    assert (outcome.failures, outcome.interrupted, record.most) == ({}, False, 2)
    started = [name for word, name, _ in record.said if word == "started"]
    assert started == [f"run_{index}" for index in range(5)]
    assert sum(word == "finished" for word, *_ in record.said) == 5


def test_runs_that_share_a_gpu_are_played_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    record, command = Record(), (sys.executable, "-c", CHILD)
    shared = Scheduler(slots(Resources(runs_per_gpu=2)), record, poll=0.02, command=command)
    outcome = shared.run(scripted(tmp_path, *["time.sleep(0.2)"] * 3))
    assert (outcome.failures, record.most) == ({}, 2)


def test_a_failure_is_not_retried_and_the_others_finish(tmp_path: Path) -> None:
    bad = "(folder / 'FAILED').write_text(json.dumps({'reason': 'no luck'})); sys.exit(1)"
    first, second = scripted(tmp_path, bad, "pass")
    record = Record()
    outcome = scheduler(record, slots=1).run([first, second])
    assert outcome.failures == {first: "no luck"}
    assert [each for each in record.said if each[0] == "finished"] == [
        ("finished", "run_0", "no luck"),
        ("finished", "run_1", None),
    ]


def test_a_worker_that_cannot_begin_is_told_by_its_last_words(tmp_path: Path) -> None:
    (folder,) = scripted(tmp_path, "import nowhere_to_be_found")
    outcome = scheduler(Record()).run([folder])
    said = "ModuleNotFoundError: No module named 'nowhere_to_be_found'"
    assert outcome.failures == {folder: f"{said}, in each of 3 attempts, see worker.log"}
    assert said in (folder / "worker.log").read_text()


def test_a_run_that_cannot_be_read_is_a_failure_of_its_own(tmp_path: Path) -> None:
    bad, good = scripted(tmp_path, "sys.exit('no spec')", "pass")
    (bad / "spec.json").write_text("{")
    outcome = scheduler(Record()).run([bad, good])
    assert outcome.failures == {bad: "no spec, in each of 3 attempts, see worker.log"}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("os._exit(0)", "the worker ended with code 0 and left the run unfinished"),
        ("sys.exit(0)", "the worker ended with code 0 and left the run unfinished"),
        ("os._exit(1)", "the worker ended with code 1"),
        ("os._exit(3)", "the worker ended with code 3"),  # and no newer attempt is there
    ],
)
def test_an_exit_code_is_believed_only_where_the_files_say_the_same(
    tmp_path: Path, script: str, said: str
) -> None:
    (folder,) = scripted(tmp_path, script)
    outcome = scheduler(Record()).run([folder])
    assert outcome.failures == {folder: f"{said}, in each of 3 attempts, see worker.log"}
    assert len(list(folder.glob("began-*"))) == 3


def test_a_run_that_gets_further_with_each_attempt_is_not_given_up(tmp_path: Path) -> None:
    further = """
with (folder / "events.jsonl").open("a") as file:
    file.write(json.dumps({"event": "checkpoint", "env_steps": 100 * attempt}) + "\\n")
if attempt < 7:
    os._exit(9)
"""
    (folder,) = scripted(tmp_path, further)
    assert scheduler(Record()).run([folder]).failures == {}
    assert len(list(folder.glob("began-*"))) == 7


def test_a_killed_worker_is_tried_again(tmp_path: Path) -> None:
    folders = scripted(tmp_path, f"if attempt < 3: {DIE}")
    record = Record()
    outcome = scheduler(record).run(folders)
    assert outcome.failures == {}
    assert [attempt for word, _, attempt in record.said if word == "started"] == [1, 2, 3]
    assert ("retrying", "run_0", "the worker was killed by SIGKILL (memory?)") in record.said


def test_a_worker_that_keeps_dying_is_given_up_after_three(tmp_path: Path) -> None:
    (folder,) = scripted(tmp_path, DIE)
    outcome = scheduler(Record()).run([folder])
    assert "killed by SIGKILL (memory?), in each of 3 attempts" in outcome.failures[folder]
    assert len(list(folder.glob("began-*"))) == 3
    written = json.loads((folder / "FAILED").read_text())
    assert written["reason"] == outcome.failures[folder]


def test_waiting_for_a_retry_does_not_hold_a_slot(tmp_path: Path) -> None:
    folders = scripted(tmp_path, f"if attempt == 1: {DIE}", "pass", "pass")
    record = Record()
    scheduler(record, slots=1).run(folders)
    started = [name for word, name, _ in record.said if word == "started"]
    assert started[:2] == ["run_0", "run_1"]
    assert started.count("run_0") == 2


@dataclass
class Rival(Record):
    """Another process that plays a run, for a few ticks, and finishes it or not."""

    journal: Journal | None = None
    finishes: bool = True

    def retrying(self, folder: Path, reason: str, seconds: float) -> None:
        """Go away once the scheduler has seen it."""
        super().retrying(folder, reason, seconds)
        if self.journal:
            if self.finishes:
                self.journal.write_done({})
            self.journal.close()


@pytest.mark.parametrize("finishes", [True, False])
def test_a_run_that_another_process_plays_is_waited_for(tmp_path: Path, finishes: bool) -> None:
    first, second = scripted(tmp_path, "pass", "pass")
    rival = Rival(journal=Journal(first), finishes=finishes)
    outcome = scheduler(rival, look=0.1).run([first, second])
    assert (outcome.failures, outcome.interrupted) == ({}, False)
    assert rival.said[0] == ("retrying", "run_0", "being played by another process")
    assert ("finished", "run_0", None) in rival.said
    assert (first / "began-1").exists() is not finishes  # our own worker was needed
    assert (second / "began-1").exists()


def test_a_run_that_another_process_took_over_is_no_failure(tmp_path: Path) -> None:
    folders = scripted(tmp_path, "(folder / 'DONE').write_text('{}'); sys.exit(3)")
    record = Record()
    outcome = scheduler(record).run(folders)
    assert (outcome.failures, outcome.interrupted) == ({}, False)
    assert record.said[-1] == ("finished", "run_0", None)


@contextmanager
def answering(number: signal.Signals, handler: Handler) -> Iterator[None]:
    """Have this process answer a signal so, whatever it inherited: `nohup pytest` is deaf."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_stop_lets_workers_write_their_checkpoint(
    tmp_path: Path, number: signal.Signals
) -> None:
    folders = scripted(tmp_path, HEAR_AND_STOP, HEAR_AND_STOP, "pass")
    with answering(number, signal.default_int_handler):
        outcome = scheduler(Interrupter(folders=folders[:2], number=number)).run(folders)
        assert signal.getsignal(number) is signal.default_int_handler
    assert (outcome.interrupted, outcome.failures) == (True, {})
    assert all((folder / "checkpoint").exists() for folder in folders[:2])
    assert not (folders[2] / "began-1").exists()


def test_slurm_asks_twice_and_the_workers_have_their_time_all_the_same(tmp_path: Path) -> None:
    """Pre-emption sends SIGTERM to the job and to its step: each of its processes has it twice."""
    slow = HEAR_AND_STOP.replace("    (folder / ", "    time.sleep(0.3)\n    (folder / ", 1)
    (folder,) = scripted(tmp_path, slow)

    class Slurm(Record):
        """Asks to stop, over and over."""

        def tick(self) -> None:
            if (folder / "ready").exists():
                os.kill(os.getpid(), signal.SIGTERM)

    outcome = scheduler(Slurm()).run([folder])
    assert (outcome.interrupted, (folder / "checkpoint").exists()) == (True, True)


def test_a_hang_up_that_was_to_be_ignored_stops_nothing(tmp_path: Path) -> None:
    """So `nohup marlbench run` outlives its terminal."""
    (folder,) = scripted(tmp_path, "(folder / 'ready').touch(); time.sleep(0.3)")
    with answering(signal.SIGHUP, signal.SIG_IGN):
        outcome = scheduler(Interrupter(folders=[folder], number=signal.SIGHUP)).run([folder])
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert (outcome.interrupted, outcome.failures) == (False, {})


def test_workers_that_do_not_stop_are_killed_after_the_grace(tmp_path: Path) -> None:
    folders = scripted(tmp_path, STAY_DEAF)
    began = time.monotonic()
    outcome = scheduler(Interrupter(folders=list(folders)), grace=0.2).run(folders)
    assert outcome.interrupted
    assert time.monotonic() - began < 30  # the worker itself would sleep for 60 s


def test_what_a_worker_leaves_behind_is_killed_with_it(tmp_path: Path) -> None:
    child = "time.sleep(60)"
    script = f"""
import subprocess
left = subprocess.Popen([sys.executable, "-c", "import time; {child}"])
(folder / "left").write_text(str(left.pid))
"""
    (folder,) = scripted(tmp_path, script)
    scheduler(Record()).run([folder])
    left = Path("/proc", (folder / "left").read_text())
    for _ in range(200):  # the kernel needs a moment to bury it
        if not left.exists() or "Z" in (left / "stat").read_text().split():
            break
        time.sleep(0.02)
    assert not left.exists() or "Z" in (left / "stat").read_text().split()


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_real_worker_that_is_killed_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    sets = ["run.steps=96", "run.checkpoint_every=24", "mood=slow", "num_envs=2", "run.device=cpu"]
    request = Request(
        ["tiny"], "probe", ["two_step"], [0], ["smoke"], [parse_set(each) for each in sets]
    )
    (spec,) = make_plan(load_catalogue(), request).specs
    folder = create(tmp_path / "results", spec)

    @dataclass
    class Killer(Record):
        """Kills the first worker as soon as it has a checkpoint."""

        def tick(self) -> None:
            if len(self.said) == 1 and list((folder / "checkpoint").glob("*")):
                os.kill(json.loads((folder / "progress.json").read_bytes())["pid"], signal.SIGKILL)

    record = Killer()
    outcome = Scheduler(SLOTS, record, backoff=0.05).run([folder])
    assert (outcome.failures, record.said[-1][0]) == ({}, "finished")
    assert "retrying" in [word for word, *_ in record.said]
    (run,) = runs(tmp_path / "results")
    assert (run.status, [row["step"] for row in run.evaluations()]) == ("done", [0, 96])
    assert "resumed" in [event["event"] for event in run.events()]
