"""The process of environments: `python -m marlbench.vecenv.child PIPE LIFELINE MEMORY`.

It obeys what comes through the pipe until the lifeline, which its starter holds, is let go.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

import numpy as np

from marlbench.exit_codes import ExitCode, leave
from marlbench.plugin import Env
from marlbench.vecenv.block import Block, size_of
from marlbench.vecenv.checks import check_win
from marlbench.vecenv.process import Failure


def main(pipe: int, lifeline: int, memory: int) -> None:
    """Answer (number, verb, argument) with (number, answer or `Failure`) until told to end."""
    for descriptor in (pipe, lifeline, memory):
        os.set_inheritable(descriptor, False)
    link: Connection[Any, Any] = Connection(pipe)
    os.register_at_fork(after_in_child=link.close)  # else our end would not be seen at the other
    Thread(target=die_with, args=(lifeline,), daemon=True).start()
    sys.path[:] = link.recv()
    inmates = Inmates(memory)
    while True:
        number, verb, argument = link.recv()
        answer: Callable[[int, Any], Any] = getattr(inmates, verb)
        try:
            said = answer(number, argument)
        except BaseException as error:  # noqa: BLE001 - an environment may raise anything
            said = Failure.of(error)
        if verb != "close":
            link.send((number, said))


def die_with(lifeline: int) -> None:
    """Wait for the end of whoever started this, then kill this process and all it started."""
    os.read(lifeline, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


class Inmates:
    """The environments of this process, by number; a method for each verb."""

    def __init__(self, memory: int) -> None:
        self._memory, self._size = memory, 0
        self._free: dict[int, list[int]] = {}
        self._envs: dict[int, Env] = {}
        self._blocks: dict[int, Block] = {}
        self._places: dict[int, tuple[int, int]] = {}

    def call(self, number: int, pickled: bytes) -> Any:
        """Give what a function gives."""
        function, arguments = pickle.loads(pickled)
        return function(*arguments)

    def build(self, number: int, pickled: bytes) -> tuple[Any, int, int]:
        """Make an environment by a function; give its spec, and where its block is, how large."""
        return self._place(number, pickle.loads(pickled)())

    def revive(self, number: int, pickled: bytes) -> tuple[Any, int, int]:
        """Take an environment out of its pickle; give the same as `build`."""
        return self._place(number, pickle.loads(pickled))

    def reset(self, number: int, seed: int) -> dict[str, Any]:
        """Begin the episode of a seed; give what does not stand in the block."""
        return self._blocks[number].put(self._envs[number].reset(seed))

    def step(self, number: int, actions: np.ndarray[Any, Any]) -> dict[str, Any]:
        """Play a joint action (A,); give what does not stand in the block."""
        env = self._envs[number]
        step = env.step(actions)
        check_win(step, env.spec)  # of the whole info, of which numbers alone are passed on
        return self._blocks[number].put(step)

    def pickled(self, number: int, _: None) -> bytes:
        """Give the pickle of an environment."""
        return pickle.dumps(self._envs[number])

    def close(self, number: int, _: None) -> None:
        """Close an environment and forget it; its place is given to the next of its size."""
        env = self._envs.pop(number, None)
        self._blocks.pop(number, None)
        if number in self._places:
            begin, size = self._places.pop(number)
            self._free.setdefault(size, []).append(begin)
        if env is not None:
            env.close()

    def end(self, number: int, _: None) -> None:
        """Close all environments and end this process, whatever threads they left running."""
        for each in list(self._envs):
            with suppress(Exception):
                self.close(each, None)
        leave(ExitCode.OK)

    def _place(self, number: int, env: Env) -> tuple[Any, int, int]:
        """Give an environment a block at the end of the memory, or where another was."""
        self._envs[number] = env
        spec, size = env.spec, size_of(env.spec)
        if free := self._free.get(size):
            begin = free.pop()
        else:
            begin, self._size = self._size, self._size + size
            os.truncate(self._memory, self._size)
        self._places[number] = begin, size
        self._blocks[number] = Block(spec, mmap.mmap(self._memory, size, offset=begin))
        return spec, begin, size


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
