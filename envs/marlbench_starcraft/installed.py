"""Where StarCraft II is on this machine, in which versions, and with which maps."""

from __future__ import annotations

import os
import platform
from pathlib import Path

DEFAULT_FOLDERS = {"Darwin": "/Applications/StarCraft II"}
NAMES = {69232: "4.6.2", 75689: "4.10.0"}
"""Versions that results were published for, by their build number [pysc2, run_configs]."""


def game_folder() -> Path:
    """Give the folder in which the packages look for the game."""
    default = DEFAULT_FOLDERS.get(platform.system(), "~/StarCraftII")
    return Path(os.environ.get("SC2PATH") or default).expanduser()


def builds() -> list[int]:
    """Give the build numbers of the installed versions, the newest last."""
    folders = (game_folder() / "Versions").glob("Base*")
    return sorted(int(n) for f in folders if (n := f.name.removeprefix("Base")).isdigit())


def game_version(asked: str) -> str:
    """Name the version that will be played: the one asked for, else the newest installed."""
    for build, name in NAMES.items():
        if asked in (name, name.removesuffix(".0")):
            return named(build)
    if asked:
        return f"StarCraft II {asked}"
    found = builds()
    return named(found[-1]) if found else "StarCraft II not found"


def named(build: int) -> str:
    """Give a version's name and build number."""
    return f"StarCraft II {NAMES[build]} ({build})" if build in NAMES else f"StarCraft II {build}"


def map_file(name: str) -> Path:
    """Give the file of a map; it may not be there."""
    return game_folder() / "Maps" / "SMAC_Maps" / f"{name}.SC2Map"
