"""A process of its own for what an environment may do to its process: asked, answering, ended."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import subprocess
import sys
import traceback
import weakref
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from typing import Any, NamedTuple, TypeVar

from marlbench.errors import SpecViolation, UserError, text_of
from marlbench.processors import THREAD_LIMITS
from marlbench.vecenv.block import memory_file

T = TypeVar("T")

GRACE = 10.0
"""Seconds that a process has to close its environments before it is killed."""
OWN: tuple[type[Exception], ...] = (SpecViolation, UserError)
"""Errors that stay what they are on their way to another process."""


class ProcessEnded(RuntimeError):  # noqa: N818 - the reason of a crash
    """The process of an environment ended before it answered."""


class Failure(NamedTuple):
    """An error on its way to another process, where its class may not be known."""

    name: str
    text: str
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Take what is to be said of an error."""
        own = next((each for each in OWN if isinstance(error, each)), type(error))
        return cls(own.__name__, text_of(error), "".join(traceback.format_exception(error)))

    def error(self) -> Exception:
        """Give an error of the same name and text, its trace added."""
        own = {each.__name__: each for each in OWN}
        error: Exception = own.get(self.name, type(self.name, (RuntimeError,), {}))(self.text)
        error.add_note(f"in another process: {self.trace}")
        return error


class EnvProcess:
    """The handle of a process that answers what it is asked, one thing after another.

    It leads a session of its own: no signal to this process reaches it, and what the environment
    started there ends with it. It ends when whoever started it is gone.
    """

    def __init__(self) -> None:
        """Start it; it begins to import while this process goes on."""
        self._pipe, theirs = Pipe()
        self._memory = memory_file()
        end, self._lifeline = os.pipe()
        given = [theirs.fileno(), end, self._memory]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "marlbench.vecenv.child", *map(str, given)],
            env=os.environ | dict.fromkeys(THREAD_LIMITS, "1"),
            pass_fds=given,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        os.close(end)
        self._pipe.send(sys.path)
        self._answers: defaultdict[int, deque[Any]] = defaultdict(deque)
        self._living: set[int] = set()
        self._admitted = 0
        self.ended = False
        self._release = weakref.finalize(self, release, self._process, self._lifeline, self._memory)

    @property
    def load(self) -> int:
        """How many live there."""
        return len(self._living)

    def admit(self) -> int:
        """Give a number by which a newcomer is asked."""
        self._admitted += 1
        self._living.add(self._admitted)
        return self._admitted

    def dismiss(self, number: int) -> None:
        """Let go of one: it is closed there, and what it still says is not heard."""
        self._living.discard(number)
        self._answers.pop(number, None)
        self.ask(number, "close", None)

    def ask(self, number: int, verb: str, argument: Any) -> None:
        """Ask one to do something, and do not wait; `answer` finds out if nobody listens."""
        with suppress(OSError):
            self._pipe.send((number, verb, argument))

    def answer(self, number: int) -> Any:
        """Wait for the next answer of one; raises what was raised there, or `ProcessEnded`."""
        while not self._answers[number]:
            try:
                who, said = self._pipe.recv()
            except (EOFError, OSError):
                raise self._death() from None
            if who in self._living:
                self._answers[who].append(said)
        said = self._answers[number].popleft()
        if isinstance(said, Failure):
            raise said.error()
        return said

    def shared(self, begin: int, size: int) -> mmap.mmap:
        """Give a piece of the memory that both processes see."""
        return mmap.mmap(self._memory, size, offset=begin)

    def close(self, grace: float = GRACE) -> None:
        """Let it close its environments, and kill it with all that they started."""
        self.ask(0, "end", None)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self._release()
        self.ended = True

    def _death(self) -> ProcessEnded:
        """Clear up after a process that is gone; give the error that says how it went."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        self._release()
        self.ended = True
        code = self._process.returncode
        how = f"ended with code {code}"
        if code < 0:
            with suppress(ValueError):
                how = f"was killed by {signal.Signals(-code).name}"
        return ProcessEnded(f"the environment's process {how}")


def release(process: subprocess.Popen[bytes], *descriptors: int) -> None:
    """Kill a process with all that it started, and close what is shared with it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for descriptor in descriptors:
        os.close(descriptor)


def call(function: Callable[..., T], *arguments: Any) -> T:
    """Give what a function of a module gives in a process of its own; raises what it raises.

    `ProcessEnded` where the process ends before.
    """
    process = EnvProcess()
    number, grace = process.admit(), 0.0
    try:
        process.ask(number, "call", pickle.dumps((function, arguments)))
        answer: T = process.answer(number)
        grace = GRACE
    finally:
        process.close(grace)
    return answer
