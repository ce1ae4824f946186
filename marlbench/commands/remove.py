"""`marlbench rm`: takes runs out of a results folder for good."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from marlbench.commands.watch import find_run
from marlbench.errors import UserError
from marlbench.grid.selection import selected
from marlbench.store import runs
from marlbench.store.writing import alive

__all__ = ["removed", "to_remove"]


def to_remove(
    results: Path, named: Sequence[str], wanted: Mapping[str, Sequence[str]]
) -> list[Path]:
    """Give the folders of the runs that are named, or that are wanted by something.

    Raises UserError where nothing is, for a run that is being played, and for a link.
    """
    if named:
        folders = [find_run(run, results, "rm") for run in named]
    elif any(wanted.values()):
        folders = [record.folder for record in selected(runs(results), wanted)]
    else:
        raise UserError("rm removes what it is told: name runs, or choose some (marlbench rm -h)")
    if not folders:
        raise UserError(f"no run in {results} is so (marlbench status)")
    for folder in folders:
        if folder.is_symlink():
            raise UserError(f"{folder} is a link: remove it yourself")
        if alive(folder):
            raise UserError(f"{folder} is being played: stop its grid first")
    return list(dict.fromkeys(folders))


def removed(results: Path, folders: Sequence[Path]) -> Iterator[str]:
    """Remove runs, and the folders above them that are empty then; give a line of it."""
    top = results.absolute()
    for folder in folders:
        shutil.rmtree(folder)  # follows no link
        for above in list(folder.absolute().parents)[:3]:  # of label, task and suite
            if top in above.parents:
                with suppress(OSError):  # another run is in it
                    above.rmdir()
    yield f"removed {len(folders)} run{'s' if len(folders) != 1 else ''}"
