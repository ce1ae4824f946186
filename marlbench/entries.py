"""Entries of the catalogue that are words alone: named settings, and what a suite finds missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finding", "Preset"]


@dataclass(frozen=True)
class Finding:
    """One thing that a suite needs on this machine: is it there, and if not, what to do."""

    what: str
    """What was looked for and what was found, e.g. `StarCraft II: 4.10 in ~/StarCraftII`."""
    ok: bool
    remedy: str = ""
    """One line: the command or the page that mends it."""


@dataclass(frozen=True)
class Preset:
    """Named settings; presets compose left to right over the defaults."""

    name: str
    summary: str
    """One sentence for `marlbench list`."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """The host's own settings (`marlbench.config.RunConfig`), e.g. `{"steps": 20_000}`."""
    seeds: int | None = None
    """How many seeds, where the user does not say."""
    all_tasks: bool | None = None
    """Where the user names no task. True: `Suite.paper_tasks`, or all; False: the default one."""
    algorithms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of algorithms by name, under those that an algorithm itself gives this preset."""
    on_pictures: str | None = None
    """The preset whose settings of algorithms follow where observations are images."""
