"""Lays the stand-in out as the game's own folders are, for `SC2PATH` to point at."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from game.maps import MAPS

VERSION = "Base75689"
"""The folder of version 4.10."""
LAUNCHES = "launches"
"""File with a line per process that was ever launched: its id."""
_WIDTH = 12
"""Bytes of such a line."""


def install(folder: Path, python: str = sys.executable) -> Path:
    """Lay out an installation in a new folder; give the folder, which is the `SC2PATH`."""
    binary = folder / "Versions" / VERSION / "SC2_x64"
    binary.parent.mkdir(parents=True)
    package = shlex.quote(str(Path(__file__).parents[1]))
    binary.write_text(
        "#!/bin/sh\n"
        f"PYTHONPATH={package}${{PYTHONPATH:+:$PYTHONPATH}} "
        f'exec {shlex.quote(python)} -P -m game "$@"\n'
    )
    binary.chmod(0o755)
    maps = folder / "Maps" / "SMAC_Maps"
    maps.mkdir(parents=True)
    for name, content in MAPS.items():
        (maps / f"{name}.SC2Map").write_bytes(content.to_bytes())
    return folder


def count_launch(folder: Path) -> int:
    """Write this process down; give how many were before it."""
    with (folder / LAUNCHES).open("ab", buffering=0) as file:
        file.write(f"{os.getpid():<{_WIDTH - 1}}\n".encode())
        return file.tell() // _WIDTH - 1


def launched(folder: Path) -> list[int]:
    """Give the ids of all processes that were ever launched."""
    file = folder / LAUNCHES
    return [int(line) for line in file.read_text().split()] if file.exists() else []
