"""`marlbench follow`: hands rows of runs on to sinks, those that were missed and new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from marlbench.errors import UserError
from marlbench.exit_codes import ExitCode
from marlbench.following.start import LOG, close_input, require_sink, start
from marlbench.grid.selection import selected
from marlbench.host import load_catalogue
from marlbench.store import runs

__all__ = ["follow_runs"]


def follow_runs(
    results: Path, named: Sequence[str], wanted: Mapping[str, Sequence[str]]
) -> ExitCode:
    """Follow the runs that are wanted until none plays any more; give the exit code.

    Raises UserError for a sink that is not there and where no run is.
    """
    catalogue = load_catalogue()
    sinks = [catalogue.sink(name) for name in dict.fromkeys(named)]
    for sink in sinks:
        require_sink(sink)
    folders = [record.folder for record in selected(runs(results), wanted)]
    if not folders:
        raise UserError(f"there is no run in {results} to follow (marlbench status)")
    number = f"{len(folders)} run{'s' if len(folders) > 1 else ''}"
    print(f"following {number} until the last has ended; Ctrl-C stops", flush=True)
    processes = {sink.name: start(sink, results, folders) for sink in sinks}
    for process in processes.values():
        close_input(process)
    try:
        lacking = [name for name, process in processes.items() if process.wait()]
    finally:
        for process in processes.values():
            process.kill()
    for name in lacking:
        print(f"{name} has not got everything, {results / LOG} says why: the same command again")
    return ExitCode.FAILED if lacking else ExitCode.OK
