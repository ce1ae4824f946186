"""The process of one sink: `python -m marlbench.following.process SINK`.

What it is to follow comes through its standard input, a folder a line, then an empty line. The end
of the input says that nobody starts these runs any more.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from marlbench.exit_codes import ExitCode
from marlbench.following.follower import Follower
from marlbench.host import load_catalogue

__all__ = ["main"]

EVERY = 5.0
"""Seconds between two looks."""


def main(arguments: list[str]) -> int:
    """Follow runs for a sink; exit code 0 if it has got everything."""
    sink = load_catalogue().sink(arguments[0])
    every = float(arguments[1]) if len(arguments) > 1 else EVERY
    folders: list[Path] = []
    while line := sys.stdin.readline().rstrip("\n"):
        folders.append(Path(line))
    ended = threading.Event()
    threading.Thread(target=wait_for_end, args=(ended,), daemon=True).start()
    done = Follower(sink, folders).follow(ended, every)
    return ExitCode.OK if done else ExitCode.FAILED


def wait_for_end(ended: threading.Event) -> None:
    """Set the event when the input has ended."""
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
