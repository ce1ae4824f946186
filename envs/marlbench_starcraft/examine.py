"""Looks at what a suite needs on this machine, one finding after the other, and plays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata, util

import numpy as np

from marlbench.installation import pip_install
from marlbench.plugin import Env, Finding
from marlbench_starcraft import packages
from marlbench_starcraft.config import Config
from marlbench_starcraft.env import Battle
from marlbench_starcraft.installed import builds, game_folder, map_file, named
from marlbench_starcraft.tasks import SMAC_MAPS, Order, Package

GUIDE = "docs/suites/starcraft.md"
LIBRARIES = (("pysc2", "pysc2"), ("s2clientprotocol", "s2clientprotocol"))
PROTOCOL_LIMIT = (3, 21)
"""From here on protobuf reads the game's messages in its pure Python form alone."""
SMACV2_MAP = "32x32_flat"
EPISODES = 3


def examine_smac() -> Iterator[Finding]:
    """Look at what `smac` needs."""
    yield from examine("smac", SMAC_MAPS)


def examine_smacv2() -> Iterator[Finding]:
    """Look at what `smacv2` needs."""
    yield from examine("smacv2", (SMACV2_MAP,))


def examine(package: Package, maps: Iterable[str]) -> Iterator[Finding]:
    """Give what is there and what is missing."""
    looks: list[Callable[[], Finding]] = [
        lambda: the_package(package),
        *(lambda module=module, name=name: library(module, name) for module, name in LIBRARIES),
        protobuf,
        folder,
        versions,
        lambda: the_maps(package, maps),
    ]
    yield from (look() for look in looks)


def the_package(package: Package) -> Finding:
    """Look for the package, and for another project of its name."""
    wrong = packages.lack(package)
    if wrong is None:
        return Finding(f"package: {packages.version(package)}", True)
    what, _, remedy = wrong.rpartition(": ")
    return Finding(f"package: {what}", False, remedy)


def library(module: str, name: str) -> Finding:
    """Look for a library that both packages import."""
    if util.find_spec(module) is None:
        return Finding(f"{name}: not installed", False, pip_install("sc2"))
    return Finding(f"{name}: {metadata.version(name)}", True)


def protobuf() -> Finding:
    """Say in which form protobuf will be used; any version will do."""
    try:
        version = metadata.version("protobuf")
    except metadata.PackageNotFoundError:
        return Finding("protobuf: not installed", False, pip_install("sc2"))
    new = tuple(int(part) for part in version.split(".")[:2]) >= PROTOCOL_LIMIT
    form = ", in its pure Python form (PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION)" if new else ""
    return Finding(f"protobuf: {version}{form}", True)


def folder() -> Finding:
    """Look for the game's folder."""
    path = game_folder()
    if path.is_dir():
        return Finding(f"StarCraft II: {path}", True)
    return Finding(
        f"StarCraft II: no folder {path}", False, f"install it and set SC2PATH to it ({GUIDE})"
    )


def versions() -> Finding:
    """Look for versions of the game."""
    found = [named(build).removeprefix("StarCraft II ") for build in builds()]
    if found:
        return Finding(f"versions of the game: {', '.join(found)}", True)
    return Finding(
        f"versions of the game: none in {game_folder() / 'Versions'}",
        False,
        f"unpack SC2.4.10.zip there, so that Versions/Base75689/SC2_x64 exists ({GUIDE})",
    )


def the_maps(package: Package, maps: Iterable[str]) -> Finding:
    """Look for the maps' files."""
    missing = [name for name in maps if not map_file(name).is_file()]
    if not missing:
        return Finding(f"maps: all in {map_file('').parent}", True)
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return Finding(
        f"maps: {', '.join(missing[:3])}{more} not in {map_file('').parent}",
        False,
        f"copy the folder SMAC_Maps of {packages.SOURCE[package]} there ({GUIDE})",
    )


def episodes(order: Order) -> Finding:
    """Play episodes with random actions."""
    try:
        env = Battle(order, Config())
        began = time.monotonic()
        try:
            lengths = [length(env, seed) for seed in range(EPISODES)]
        finally:
            env.close()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was found
        return Finding(f"random episodes: {error}", False, f"see the troubles in {GUIDE}")
    rate = sum(lengths) / (time.monotonic() - began)
    steps = ", ".join(map(str, lengths))
    return Finding(f"random episodes: {steps} steps, {rate:.0f} a second with the launch", True)


def length(env: Env, seed: int) -> int:
    """Play one episode with random actions; give its number of steps."""
    step, draws, count = env.reset(seed), np.random.default_rng(seed), 0
    while not step.last:
        step = env.step(np.where(step.avail, draws.random(step.avail.shape), -1.0).argmax(-1))
        count += 1
    return count
