"""Keeps the slots of a machine busy with worker processes until every run has ended."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from marlbench.executors import Outcome, Watcher
from marlbench.exit_codes import ExitCode
from marlbench.grid.slots import Slot
from marlbench.store.files import read_rows, replace_json
from marlbench.store.folder import COMMAND, EVENTS, FAILED, INTERRUPTED
from marlbench.store.reading import read

__all__ = ["LOG", "Scheduler"]

WORKER = (sys.executable, "-P", "-m", "marlbench.training.worker")
"""The program of a run; its argument is the run's folder."""
LOG = "worker.log"
"""What a worker wrote to its standard output and error."""
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Job:
    """A run that waits for a slot."""

    folder: Path
    attempt: int = 1
    """The n-th worker that this grid starts for it."""
    not_before: float = 0.0
    """Time (monotonic) before which it is not tried again."""
    elsewhere: bool = False
    """Whether another process was last seen playing it."""
    reached: int = 0
    """Env steps that its workers had reached when the last of them died."""


@dataclass
class Worker:
    """A run in a slot."""

    job: Job
    process: subprocess.Popen[bytes]

    def signal(self, number: int) -> None:
        """Send a signal to the worker and all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


@dataclass
class Scheduler:
    """Plays runs in slots, one child process each; a killed worker is tried again."""

    slots: Sequence[Slot]
    watcher: Watcher
    attempts: int = 3
    """Workers that a run may use up by being killed."""
    backoff: float = 2.0
    """Seconds before the second worker, doubled for the third."""
    grace: float = 20.0
    """Seconds that workers have for their checkpoint when all is to stop."""
    poll: float = 0.1
    """Seconds between two looks at the workers."""
    look: float = 5.0
    """Seconds between two looks at a run that another process plays."""
    command: Sequence[str] = WORKER
    """What a child process runs, with the run's folder behind it."""
    failures: dict[Path, str] = field(default_factory=dict)
    """Why, for every run that failed."""
    interrupted: bool = False
    """Whether something stopped a worker or all of it."""

    def run(self, folders: Sequence[Path]) -> Outcome:
        """Play the runs of these folders to their ends, or until a signal says to stop."""
        queue = deque(Job(folder) for folder in folders)
        busy: dict[int, Worker] = {}  # by the slot's number: slots that share a GPU are equal
        with _stop_requests() as requests:
            try:
                while (queue or busy) and not requests:
                    self._start(queue, busy)
                    self._reap(queue, busy)
                    self.watcher.tick()
                    time.sleep(self.poll)
            finally:
                if busy:
                    self._stop(busy, requests)
            self.interrupted |= bool(requests)
        return Outcome(self.failures, self.interrupted)

    def _start(self, queue: deque[Job], busy: dict[int, Worker]) -> None:
        """Give every free slot the first run that may begin."""
        for number in (number for number in range(len(self.slots)) if number not in busy):
            job = self._next(queue)
            if job is None:
                return
            worker = _spawn(self.command, job.folder, self.slots[number])
            busy[number] = Worker(job, worker)
            self.watcher.started(job.folder, job.attempt)

    def _next(self, queue: deque[Job]) -> Job | None:
        """Take the first run that may begin out of the queue, and all that others finished."""
        now = time.monotonic()
        for job in [job for job in queue if job.not_before <= now]:
            status = _status(job.folder)
            if status == "running":
                self._leave(job)
                continue
            queue.remove(job)
            if status != "done":
                return job
            self.watcher.finished(job.folder, None)
        return None

    def _leave(self, job: Job) -> None:
        """Let another process play a run, for as long as it does."""
        if not job.elsewhere:
            self.watcher.retrying(job.folder, "being played by another process", self.look)
        job.elsewhere, job.not_before = True, time.monotonic() + self.look

    def _reap(self, queue: deque[Job], busy: dict[int, Worker]) -> None:
        """Free the slots of workers that ended."""
        for number, worker in list(busy.items()):
            code = worker.process.poll()
            if code is not None:
                worker.signal(signal.SIGKILL)  # whatever it left behind
                del busy[number]
                self._ended(worker.job, code, queue)

    def _ended(self, job: Job, code: int, queue: deque[Job]) -> None:
        """Believe an exit code where the run's files say the same; all else is a death.

        An environment may end its process with any code at all.
        """
        status = _status(job.folder)
        if code == ExitCode.OK and status == "done":
            self.watcher.finished(job.folder, None)
        elif code == ExitCode.FAILED and status in ("failed", "diverged"):
            self._fail(job, _written_reason(job.folder))
        elif code == ExitCode.SUPERSEDED and status in ("running", "done"):
            queue.append(replace(job, not_before=0.0))  # `_next` leaves it to the newer attempt
        elif code == ExitCode.INTERRUPTED and _was_asked_to_stop(job.folder):
            self.interrupted = True
            self.watcher.finished(job.folder, "interrupted from outside; run again to go on")
        else:
            self._died(job, code, queue)

    def _died(self, job: Job, code: int, queue: deque[Job]) -> None:
        """Try a run again, after a while, unless its workers die without getting further."""
        reached = _env_steps(job.folder)
        attempt = 1 if reached > job.reached else job.attempt
        if attempt < self.attempts:
            wait = self.backoff * 2 ** (attempt - 1)
            again = time.monotonic() + wait
            queue.append(Job(job.folder, attempt + 1, again, reached=max(reached, job.reached)))
            self.watcher.retrying(job.folder, _death(code), wait)
        else:
            why = _last_words(job.folder) if code > 0 else None
            said = f"{why or _death(code)}, in each of {attempt} attempts, see {LOG}"
            self._give_up(job, said)

    def _give_up(self, job: Job, reason: str) -> None:
        """Leave the reason in the folder, where a worker that is killed could not."""
        replace_json(job.folder / FAILED, {"reason": reason, "traceback": ""})
        self._fail(job, reason)

    def _fail(self, job: Job, reason: str) -> None:
        self.failures[job.folder] = reason
        self.watcher.finished(job.folder, reason)

    def _stop(self, busy: dict[int, Worker], requests: list[int]) -> None:
        """Let the workers write their checkpoints, and kill those that take too long."""
        for worker in busy.values():
            worker.signal(signal.SIGTERM)
        asked, until = requests.count(signal.SIGINT), time.monotonic() + self.grace
        while any(worker.process.poll() is None for worker in busy.values()):
            if time.monotonic() > until or requests.count(signal.SIGINT) > asked:
                break  # out of patience, ours or the user's; Slurm sends each SIGTERM twice
            self.watcher.tick()
            time.sleep(self.poll)
        for worker in busy.values():
            worker.signal(signal.SIGKILL)
            worker.process.wait()


def _env_steps(folder: Path) -> int:
    """Give the env steps of a run's newest checkpoint: what its next worker goes on from."""
    rows = read_rows(folder / EVENTS)
    saved = [int(row["env_steps"]) for row in rows if row.get("event") == "checkpoint"]
    return max(saved, default=0)


def _was_asked_to_stop(folder: Path) -> bool:
    """Say whether a run's worker stopped because it was asked to."""
    return [row.get("event") for row in read_rows(folder / EVENTS)][-1:] == [INTERRUPTED]


def _status(folder: Path) -> str:
    """Give a run's status; of one that cannot be read the worker is to say why."""
    try:
        return read(folder).status
    except (OSError, ValueError):
        return "waiting"


def _spawn(command: Sequence[str], folder: Path, slot: Slot) -> subprocess.Popen[bytes]:
    """Start a worker in a session of its own, so that a Ctrl-C reaches the grid alone."""
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(
            [*command, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={COMMAND: shlex.join(["marlbench", *sys.argv[1:]]), **slot.environment()},
            start_new_session=True,
        )


def _written_reason(folder: Path) -> str:
    """Give the reason that the worker left."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads((folder / FAILED).read_bytes())["reason"])
    return "its reason cannot be read"


def _last_words(folder: Path) -> str | None:
    """Give the last line of a worker's log: what killed it, if it could say so."""
    with suppress(OSError):
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), None)
    return None


def _death(code: int) -> str:
    """Say how a worker died."""
    if code == ExitCode.OK:
        return "the worker ended with code 0 and left the run unfinished"
    if code >= 0:
        return f"the worker ended with code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return f"the worker was killed by {name}" + (" (memory?)" if name == "SIGKILL" else "")
    return f"the worker was killed by signal {-code}"


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collect the signals that ask to stop, for as long as the context lasts.

    A hang-up that this process was told to ignore, by `nohup`, is ignored still.
    """
    requests: list[int] = []

    def note(number: int, _: Any) -> None:
        requests.append(number)

    deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    heard = [number for number in STOPPING if not (deaf and number == signal.SIGHUP)]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
