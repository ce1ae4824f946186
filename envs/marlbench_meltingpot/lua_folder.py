"""A copy of Melting Pot's Lua in which the order of tables is decided; what is installed stays.

Substrates walk through Lua tables and draw random numbers on the way. The order of such a walk
differs between processes and builds, so that a seed alone decides nothing. The copy has a
`pairs` of its own that sorts (`sorted_pairs.lua`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path

__all__ = ["sorted_folder"]

LUA = Path("meltingpot") / "lua"
FIRST = LUA / "modules" / "api_factory.lua"
"""What every level loads before it does anything."""


@cache
def sorted_folder(installed: Path) -> Path:
    """Give the folder of the copy of `installed / meltingpot / lua`, made if it is not there."""
    source = installed / LUA
    patch = files(__package__).joinpath("sorted_pairs.lua").read_text(encoding="utf-8")
    name = f"meltingpot-lua-{digest(source, patch)}"
    try:
        parent = cache_folder()
        parent.mkdir(parents=True, exist_ok=True)
        return placed(source, patch, parent / name)
    except OSError:
        return placed(source, patch, temporary_folder() / name)


def cache_folder() -> Path:
    """Give the user's folder for what can be made again."""
    kept = os.environ.get("XDG_CACHE_HOME")
    return (Path(kept) if kept else Path.home() / ".cache") / "marlbench"


def temporary_folder() -> Path:
    """Give this user's folder where nothing can be kept: one for all processes, however they end.

    What stands at its place and is another's, or open to others, is not used: then one is made
    that only this process knows.
    """
    place = Path(tempfile.gettempdir()) / f"marlbench-{os.getuid()}"
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    facts = place.lstat()
    ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
    private = not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return place if ours and private else Path(tempfile.mkdtemp(prefix="marlbench-"))


def digest(source: Path, patch: str) -> str:
    """Give a name for all that is in the copy."""
    content = hashlib.sha256(patch.encode())
    for file in sorted(source.rglob("*.lua")):
        content.update(str(file.relative_to(source)).encode())
        content.update(file.read_bytes())
    return content.hexdigest()[:16]


def placed(source: Path, patch: str, place: Path) -> Path:
    """Put the copy in its place whole or not at all; whoever comes second takes the first's."""
    if place.is_dir():
        return place
    whole = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
    try:
        shutil.copytree(source, whole / LUA)
        first = whole / FIRST
        first.write_text(patch + first.read_text(encoding="utf-8"), encoding="utf-8")
        whole.rename(place)
    except OSError:
        shutil.rmtree(whole, ignore_errors=True)
        if not place.is_dir():
            raise
    return place
