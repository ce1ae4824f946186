"""The packages `smac` and `smacv2`: which are here, in what version, and the one to import."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path
from typing import Any

from marlbench.installation import pip_install
from marlbench_starcraft.tasks import Package

SOURCE = {
    "smac": "https://github.com/oxwhirl/smac.git@d6aab33f76abc3849c50463a8592a84f59a5ef84",
    "smacv2": "https://github.com/oxwhirl/smacv2.git@577ab5a2cff2391f8df582da5731ea9cd6adf3c6",
}
"""Where they are, and the commits that the tests ran with."""
ENVIRONMENT: dict[Package, tuple[str, str]] = {
    "smac": ("smac.env", "StarCraft2Env"),
    "smacv2": ("smacv2.env", "StarCraftCapabilityEnvWrapper"),
}
OTHER: dict[Package, Package] = {"smac": "smacv2", "smacv2": "smac"}


def remedy(package: Package) -> str:
    """Give the command that installs a package, which is not on PyPI.

    Without its requirements, of which `protobuf<3.21` would take a newer protobuf away.
    """
    return f"{pip_install('sc2')} && pip install --no-deps git+{SOURCE[package]}"


def lack(package: Package) -> str | None:
    """Say what is wrong with a package, with the remedy, without importing it."""
    found = util.find_spec(package)
    if found is None:
        return f"the package {package!r} is not installed: {remedy(package)}"
    folders = [Path(folder) for folder in found.submodule_search_locations or ()]
    if not any((folder / "env").is_dir() for folder in folders):
        return (
            f"the installed {package!r} is another project of that name (PyPI's smac is AutoML's "
            f"SMAC3): pip uninstall {package}, then {remedy(package)}"
        )
    return None


def version(package: Package) -> str:
    """Give name and version of an installed package, with its commit where pip knows it."""
    try:
        found = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return package
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    commit = origin.get("vcs_info", {}).get("commit_id", "")[:7]
    return f"{package} {found.version}{f' ({commit})' if commit else ''}"


def environment(package: Package) -> Callable[..., Any]:
    """Import a package and give its environment's class; RuntimeError with the remedy."""
    if wrong := lack(package):
        raise RuntimeError(wrong)
    if OTHER[package] in sys.modules:  # both register maps of the same names with pysc2
        raise RuntimeError(
            f"{package!r} and {OTHER[package]!r} cannot live in one process: play each in its own"
        )
    module, name = ENVIRONMENT[package]
    with warnings.catch_warnings():  # what the packages import warns of its own future
        warnings.simplefilter("ignore")
        try:
            found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        except (ImportError, TypeError) as error:  # TypeError: a protobuf that is too new
            reason = str(error).strip().splitlines()[0]
            raise RuntimeError(
                f"cannot import {module!r} ({reason}): {pip_install('sc2')}"
            ) from error
    return found
