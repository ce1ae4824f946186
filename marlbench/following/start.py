"""Starts a process for each sink beside a grid, and lets it finish when the grid has ended."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from marlbench.errors import UserError
from marlbench.installation import pip_install
from marlbench.needs import importable
from marlbench.sinks import Sink

__all__ = ["LOG", "followed", "require_sink", "start"]

LOG = "sinks.log"
"""What the processes said, in the results folder."""
GRACE = 30.0
"""Seconds that sinks have for what is left when a grid has ended."""


def require_sink(sink: Sink) -> None:
    """Raise UserError with the remedy if a sink lacks what it requires."""
    absent = [name for name in sink.requires if not importable(name)]
    if absent:
        remedy = pip_install(sink.extra) if sink.extra else f"pip install {' '.join(absent)}"
        raise UserError(f"the sink {sink.name!r} needs {', '.join(absent)}: {remedy}")


@contextmanager
def followed(sinks: Sequence[Sink], results: Path, folders: Sequence[Path]) -> Iterator[None]:
    """Follow these runs inside; afterwards wait a little for what the sinks have not got yet."""
    processes = {sink.name: start(sink, results, folders) for sink in sinks}
    try:
        yield
    finally:
        for process in processes.values():
            close_input(process)
        until = time.monotonic() + GRACE
        for name, process in processes.items():
            if not ended_well(process, until):
                print(
                    f"{name} has not got everything ({results / LOG}): "
                    f"marlbench follow --sink {name} --results {results} hands on the rest",
                    flush=True,
                )


def start(sink: Sink, results: Path, folders: Sequence[Path]) -> subprocess.Popen[str]:
    """Start the process of a sink, in a session of its own: a Ctrl-C is for the grid."""
    results.mkdir(parents=True, exist_ok=True)
    with (results / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "marlbench.following.process", sink.name],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdin is not None
    with suppress(OSError):  # it is gone already, and its log says why
        process.stdin.write("".join(f"{folder.absolute()}\n" for folder in folders) + "\n")
        process.stdin.flush()
    return process


def close_input(process: subprocess.Popen[str]) -> None:
    """Say that nobody starts runs any more."""
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()


def ended_well(process: subprocess.Popen[str], until: float) -> bool:
    """Wait for a process until then (monotonic), and end it; say whether it had got everything."""
    try:
        return process.wait(max(0.1, until - time.monotonic())) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
