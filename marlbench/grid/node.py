"""A share of a grid on the machine where this process runs: `python -m marlbench.grid.node`.

Executors for many machines start it on each of them, and the local executor in it knows the rest:
slots, deaths, taking runs over. It plays on for as long as its standard input is open, so that
whoever started it cannot die and leave it behind; then it stops, as after SIGTERM.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from marlbench.executors import Resources
from marlbench.exit_codes import ExitCode
from marlbench.grid.board import Board
from marlbench.grid.executors.local import run, slot_names
from marlbench.grid.plain import PlainView
from marlbench.store import read_spec
from marlbench.store.folder import COMMAND

__all__ = ["Share", "main", "start", "stop"]

NODE = "marlbench.grid.node"
"""This module, as `python -m` wants it."""
OURS = "MARLBENCH_"
"""What environment variables of ours begin with."""


@dataclass(frozen=True)
class Share:
    """What a machine is to play, as it is sent there."""

    folders: tuple[str, ...]
    """Absolute, and the same on every machine."""
    resources: Resources
    """Of this share; the settings of an executor stay where it is."""
    environment: Mapping[str, str]
    """Variables that runs there are to have."""

    @classmethod
    def of(cls, folders: Sequence[Path], resources: Resources) -> Share:
        """Make a share of runs of this machine's results folder."""
        typed = {COMMAND: shlex.join(["marlbench", *sys.argv[1:]])}
        told = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
        absolute = tuple(str(folder.absolute()) for folder in folders)
        return cls(absolute, replace(resources, settings=None), typed | told)


def start(
    share: Share, output: IO[bytes] | int | None = None, below: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start to play a share on this machine; what it says goes to `output`, or to our own.

    `below` is a command that runs the one behind it and ends with its exit code.
    """
    resources = {key: value for key, value in asdict(share.resources).items() if key != "settings"}
    return subprocess.Popen(
        [*below, sys.executable, "-P", "-m", NODE, json.dumps(resources), *share.folders],
        stdin=subprocess.PIPE,
        stdout=output,
        env={**os.environ, **share.environment},
        start_new_session=True,
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop and wait until it has; from within a signal handler too.

    The process is left to be reaped, by whoever may be in the middle of it.
    """
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def main(arguments: list[str]) -> int:
    """Play the runs of these folders with these resources (JSON), telling how it goes."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # Slurm's notice goes to all; our parent hears it
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    resources = Resources(**json.loads(arguments[0]))
    runs = [(Path(folder), read_spec(Path(folder))) for folder in arguments[1:]]
    view = PlainView(Board(runs, len(slot_names(resources))))
    outcome = run([folder for folder, _ in runs], resources, view)
    return ExitCode.INTERRUPTED if outcome.interrupted else ExitCode.OK


def _stop_with_parent() -> None:
    """Ask this process to stop as soon as its standard input ends."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
