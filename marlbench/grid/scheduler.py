"""Keeps the slots of a machine busy with worker processes until every run has ended."""

from __future__ import annotations

import json
import signal
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
from marlbench.grid.logs import LOG, keep_short, last_words
from marlbench.grid.sharing import Sharing
from marlbench.grid.slots import Slot
from marlbench.grid.workers import Worker, adopt, death, spawn
from marlbench.store.files import read_rows, replace_json, unwritable
from marlbench.store.folder import EVENTS, FAILED, INTERRUPTED
from marlbench.store.reading import read

__all__ = ["Scheduler"]

WORKER = (sys.executable, "-P", "-m", "marlbench.training.worker")
"""The program of a run; its argument is the run's folder."""
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONGEST_WAIT = 300.0
"""Seconds after which a run that waits for room is looked at again at the latest."""


@dataclass
class Job:
    """A run that waits for a slot."""

    folder: Path
    attempt: int = 1
    """The n-th worker that this grid starts for it."""
    not_before: float = 0.0
    """Time (monotonic) before which it is not tried again."""
    put_off: str = ""
    """Why it was last put off: another process plays it, or nothing can be written."""
    puts: int = 0
    """How often in a row, by workers that found no room."""
    reached: int = 0
    """Env steps that its workers had reached when the last of them died."""


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
    """Seconds between two looks at a run that was put off."""
    listen: float = 1.0
    """Seconds between two looks for signs of life, and at memory."""
    by_memory: bool = False
    """Whether runs share a GPU as its memory allows, whatever slots it has."""
    command: Sequence[str] = WORKER
    """What a child process runs, with the run's folder behind it."""
    failures: dict[Path, str] = field(default_factory=dict)
    """Why, for every run that failed."""
    interrupted: bool = False
    """Whether something stopped a worker or all of it."""
    _listened: float = 0.0

    def __post_init__(self) -> None:
        """Begin with what is known of the GPUs: nothing."""
        self._sharing = Sharing(self.slots, self.by_memory)

    def run(self, folders: Sequence[Path]) -> Outcome:
        """Play the runs of these folders to their ends, or until a signal says to stop."""
        queue = deque(Job(folder) for folder in folders)
        busy: dict[int, tuple[Job, Worker]] = {}  # by number: slots that share a GPU are equal
        with _stop_requests() as requests:
            try:
                self._adopt(queue, busy)
                while (queue or busy) and not requests:
                    self._start(queue, busy)
                    self._reap(queue, busy)
                    self._listen(queue, busy)
                    self.watcher.tick()
                    time.sleep(self.poll)
            finally:
                if busy:
                    self._stop(busy, requests)
            self.interrupted |= bool(requests)
        return Outcome(self.failures, self.interrupted)

    def _adopt(self, queue: deque[Job], busy: dict[int, tuple[Job, Worker]]) -> None:
        """Go on with the workers that a killed grid left, and ask those to stop that are too many.

        What they stop at is played on when a slot is free.
        """
        for job in list(queue):
            if (found := adopt(job.folder)) is None:
                continue
            worker, owner = found
            free = [number for number in range(len(self.slots)) if number not in busy]
            if not free:
                worker.ask_to_stop()
                continue
            same = [number for number in free if self.slots[number].gpu == owner.gpu]
            queue.remove(job)
            number = (same or free)[0]
            busy[number] = job, worker
            self._sharing.began(number, busy)
            self.watcher.started(job.folder, job.attempt)

    def _start(self, queue: deque[Job], busy: dict[int, tuple[Job, Worker]]) -> None:
        """Give every free slot the first run that may begin."""
        for number in range(len(self.slots)):
            if number in busy or not self._sharing.admits(number, busy):
                continue
            job = self._next(queue)
            if job is None:
                return
            try:
                orphan = adopt(job.folder)
                slot = self.slots[number]
                worker = orphan[0] if orphan else spawn(self.command, job.folder, slot)
            except BlockingIOError as error:  # EAGAIN: no more processes, for now
                self._put_off(job, queue, f"no process can be started ({error.strerror})")
            except OSError as error:
                self._give_up(job, f"{LOG} cannot be written: {error.strerror}; move it away")
            else:
                busy[number] = replace(job, put_off=""), worker
                self._sharing.began(number, busy)
                self.watcher.started(job.folder, job.attempt)

    def _next(self, queue: deque[Job]) -> Job | None:
        """Take the first run that may begin out of the queue, and all that others finished."""
        now = time.monotonic()
        for job in [job for job in queue if job.not_before <= now]:
            queue.remove(job)
            status = _status(job.folder)
            if status == "done":
                self.watcher.finished(job.folder, None)
            elif status == "running":
                if adopt(job.folder) is not None:
                    return job
                self._put_off(job, queue, "being played by another process")
            elif (error := unwritable(job.folder)) is not None:
                self._put_off(job, queue, f"its folder cannot be written ({error.strerror})")
            else:
                return job
        return None

    def _put_off(self, job: Job, queue: deque[Job], why: str) -> None:
        """Look at a run again later, for as long as it takes; that uses up no attempt."""
        wait = min(self.look * 2**job.puts, LONGEST_WAIT)
        if job.put_off != why:
            self.watcher.retrying(job.folder, why, wait)
        queue.append(replace(job, put_off=why, not_before=time.monotonic() + wait))

    def _reap(self, queue: deque[Job], busy: dict[int, tuple[Job, Worker]]) -> None:
        """Free the slots of workers that ended."""
        for number, (job, worker) in list(busy.items()):
            code = worker.poll()
            if code is not None:
                worker.end()  # whatever it left behind
                self._weigh(number, worker)
                del busy[number]
                if code == ExitCode.GPU_FULL and _status(job.folder) == "failed":
                    self._gpu_full(number, job, queue)
                else:
                    self._ended(job, code, queue)

    def _listen(self, queue: deque[Job], busy: dict[int, tuple[Job, Worker]]) -> None:
        """End workers that are silent for too long or hold too much memory; keep logs short."""
        if time.monotonic() - self._listened < self.listen:
            return
        self._listened = time.monotonic()
        for number, (job, worker) in list(busy.items()):
            keep_short(job.folder)
            worker.pulse.feel()
            self._weigh(number, worker)
            if (too_much := worker.too_much()) is not None:
                worker.end()
                del busy[number]
                self._give_up(job, too_much)  # again it would only take as much
            elif worker.pulse.too_long():
                worker.end()
                del busy[number]
                self._died(job, f"silent for {worker.pulse.silent / 60:.3g} min, killed", queue)

    def _weigh(self, number: int, worker: Worker) -> None:
        """Let the run in a slot say what it takes of its GPU, where that decides."""
        if self.by_memory:
            self._sharing.told(number, worker.progress())

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
        elif code == ExitCode.UNWRITABLE:
            self._no_room(job, queue)
        elif code == ExitCode.INTERRUPTED and _was_asked_to_stop(job.folder):
            self.interrupted = True
            self.watcher.finished(job.folder, "interrupted from outside; run again to go on")
        else:
            words = last_words(job.folder) if code > 0 else None
            self._died(job, death(code), queue, words)

    def _gpu_full(self, number: int, job: Job, queue: deque[Job]) -> None:
        """Put a run off that found no room beside others, until there are fewer."""
        if self._sharing.full(number):
            others = self._sharing.company[number] - 1
            self._put_off(job, queue, f"its GPU had no room for it beside {others} more")
        else:
            self._fail(job, _written_reason(job.folder))

    def _no_room(self, job: Job, queue: deque[Job]) -> None:
        """Put a run off whose worker could not write, ever longer unless it gets further."""
        reached = _env_steps(job.folder)
        puts = 0 if reached > job.reached else job.puts + 1
        job = replace(job, reached=max(reached, job.reached), puts=puts)
        error = unwritable(job.folder)
        reason = error.strerror if error else last_words(job.folder)
        self._put_off(job, queue, f"its worker could not write ({reason or f'see {LOG}'})")

    def _died(self, job: Job, how: str, queue: deque[Job], words: str | None = None) -> None:
        """Try a run again, after a while, unless its workers die without getting further."""
        reached = _env_steps(job.folder)
        attempt = 1 if reached > job.reached else job.attempt
        if attempt < self.attempts:
            wait = self.backoff * 2 ** (attempt - 1)
            again = time.monotonic() + wait
            queue.append(Job(job.folder, attempt + 1, again, reached=max(reached, job.reached)))
            self.watcher.retrying(job.folder, how, wait)
        else:
            self._give_up(job, f"{words or how}, in each of {attempt} attempts, see {LOG}")

    def _give_up(self, job: Job, reason: str) -> None:
        """Leave the reason in the folder, where a worker that is killed could not."""
        with suppress(OSError):  # the outcome says it, too
            replace_json(job.folder / FAILED, {"reason": reason, "traceback": ""})
        self._fail(job, reason)

    def _fail(self, job: Job, reason: str) -> None:
        self.failures[job.folder] = reason
        self.watcher.finished(job.folder, reason)

    def _stop(self, busy: dict[int, tuple[Job, Worker]], requests: list[int]) -> None:
        """Let the workers write their checkpoints, and kill those that take too long."""
        workers = [worker for _, worker in busy.values()]
        self.watcher.stopping(len(workers), self.grace)
        for worker in workers:
            worker.ask_to_stop()
        asked, until = requests.count(signal.SIGINT), time.monotonic() + self.grace
        while any(worker.poll() is None for worker in workers):
            if time.monotonic() > until or requests.count(signal.SIGINT) > asked:
                break  # out of patience, ours or the user's; Slurm sends each SIGTERM twice
            self.watcher.tick()
            time.sleep(self.poll)
        for worker in workers:
            worker.end()


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


def _written_reason(folder: Path) -> str:
    """Give the reason that the worker left."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads((folder / FAILED).read_bytes())["reason"])
    return "its reason cannot be read"


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
