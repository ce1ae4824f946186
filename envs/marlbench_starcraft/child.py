"""The process of one game: `python -m marlbench_starcraft.child FD` obeys what comes through FD.

It leads a process group of its own, in which the game is too. When whoever started it is gone it
removes the folder of their temporary files and kills the group, so that no game outlives its run.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any


def main(descriptor: int) -> None:
    """Take the order, then answer (name, argument) with (whether it went well, the answer)."""
    pipe: Connection[Any, Any] = Connection(descriptor)
    path, folder, order = pipe.recv()
    sys.path[:] = path
    requests: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    Thread(target=listen, args=(pipe, requests, folder), daemon=True).start()
    game: Any = None

    def open_game() -> Any:
        nonlocal game
        from marlbench_starcraft.game import Game

        game = Game(order)
        return game.sizes()

    pipe.send(attempt(open_game))
    while True:
        name, argument = requests.get()
        pipe.send(attempt(partial(getattr(game, name), argument)))


def attempt(call: Callable[[], Any]) -> tuple[bool, Any]:
    """Give True and what a call gives, or False and its error in a line."""
    try:
        return True, call()
    except Exception as error:  # noqa: BLE001 - the packages may raise anything
        return False, said(error)


def said(error: BaseException) -> str:
    """Give an error in a line, and what it was raised in the handling of."""
    text = " ".join(str(error).split())
    if not isinstance(error, RuntimeError):  # these are whole sentences
        text = f"{type(error).__name__}: {text}"
    return text if error.__context__ is None else f"{text} (after {said(error.__context__)})"


def listen(pipe: Connection[Any, Any], requests: SimpleQueue[tuple[str, Any]], folder: str) -> None:
    """Hand requests on; at the end of the pipe clear up, and kill this process and its game."""
    try:
        while True:
            requests.put(pipe.recv())
    except (EOFError, OSError):
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
