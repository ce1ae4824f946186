"""A game in a process of its own: asked with a time limit, killed with all that it started."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from marlbench_starcraft.game import GameCrash, Sizes
from marlbench_starcraft.tasks import Order

LOGGED = re.compile(r"[IWEF]\d{4} ")
"""How a line begins that absl logs, which pysc2 uses."""
IMPORT_LIMIT = 120.0
"""Seconds that importing a package may take, on a file system that is slow."""


class Remote:
    """The handle of a game's process, which answers one question at a time.

    A process per game, because only that can be stopped whatever it hangs in; the packages keep
    state in the process that imports them, and cannot both be imported in one.
    """

    def __init__(self, order: Order) -> None:
        """Start the process and let it construct the environment; the game is not launched yet."""
        self._folder = Path(tempfile.mkdtemp(prefix="marlbench-starcraft-"))
        self._log = self._folder / "log"
        self._pipe, theirs = Pipe()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "marlbench_starcraft.child", str(theirs.fileno())],
                env=surroundings(self._folder),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        theirs.close()
        self._pipe.send((sys.path, str(self._folder), order))
        try:
            self.sizes: Sizes = self.answer("importing the package", IMPORT_LIMIT)
        except GameCrash as error:  # no game yet: the installation is at fault
            raise RuntimeError(str(error)) from None

    def send(self, name: str, argument: Any) -> None:
        """Let the game `reset` or `step`, and do not wait: `answer` does, and finds who is gone."""
        with suppress(OSError):
            self._pipe.send((name, argument))

    def close(self) -> None:
        """Kill the process and its game, and remove what they wrote. Twice does no harm."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def answer(self, what: str, limit: float, since: float | None = None) -> Any:
        """Wait for an answer; GameCrash if the game broke, or took longer than `limit` seconds.

        They count from `since`, a reading of `time.monotonic`, or now. Whatever goes wrong,
        nothing keeps running.
        """
        passed = 0.0 if since is None else time.monotonic() - since
        if not self._pipe.poll(max(0.0, limit - passed)):
            raise self._broken(f"{what} took longer than {limit:g} s: the game was killed")
        try:
            well, answer = self._pipe.recv()
        except (EOFError, OSError):
            raise self._broken(f"the process of the game died in {what}") from None
        if not well:
            raise self._broken(answer)
        return answer

    def _broken(self, what: str) -> GameCrash:
        """Clear up; give the error, with the last that the game said."""
        last = self._last_words()
        self.close()
        return GameCrash(what + (f"; last it said: {last}" if last else ""))

    def _last_words(self) -> str:
        """Give the last line that the process or its game printed, what pysc2 logs apart."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        lines = [line.strip() for line in text.splitlines() if not LOGGED.match(line)]
        return next((line for line in reversed(lines) if line), "")


def surroundings(folder: Path) -> dict[str, str]:
    """Give the environment variables of a game's process.

    The messages of s2clientprotocol were generated for protobuf before 3.21; newer ones read them
    in their pure Python form alone.
    """
    return {
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python",
        "PYGAME_HIDE_SUPPORT_PROMPT": "1",
        **os.environ,
        "TMPDIR": str(folder),
    }
