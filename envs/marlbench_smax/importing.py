"""Imports jax and SMAX: quickly, silently, for one thread of the CPU, with a compilation cache."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from marlbench.installation import pip_install

MODULE = "jaxmarl.environments.smax"
PARENTS = ("jaxmarl", "jaxmarl.environments")
WORTH = 0.1
"""Seconds of compiling that are worth a file; jax's own default, 1, is near what a reset takes."""


def prepare(cache: bool) -> None:
    """Import jax as a run needs it; RuntimeError with the remedy if it is not installed.

    jax reads these variables when it first computes; what the user has set is left alone.
    """
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # a GPU is the learner's: jax takes it whole
    os.environ.setdefault("PJRT_NPROC", "1")  # runs share the cores: one thread each
    try:
        import jax
    except ImportError as error:
        raise RuntimeError(f"cannot import jax ({error}): {pip_install('smax')}") from None
    config: Any = jax.config
    folder = cache_folder()
    if cache and not config.jax_compilation_cache_dir and made(folder):
        config.update("jax_compilation_cache_dir", str(folder))
        config.update("jax_persistent_cache_min_compile_time_secs", WORTH)


def cache_folder() -> Path:
    """Give where compiled code is kept: `marlbench/jax` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "marlbench" / "jax"


def made(folder: Path) -> bool:
    """Whether there is such a folder that can be written, made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # a read-only home: compiling anew is slow, not wrong
        return False
    return os.access(folder, os.W_OK)


def smax() -> Any:
    """Import SMAX alone; RuntimeError with the remedy if that does not work.

    Importing `jaxmarl` itself loads some thirty environments and matplotlib, computes with many
    of them (2 to 5 s) and prints. So its two packages are passed over, and forgotten again, so
    that whoever imports them later gets them whole.
    """
    if PARENTS[-1] in sys.modules:
        return importlib.import_module(MODULE)
    try:
        sys.modules.update({name: unexecuted(name) for name in PARENTS})
        return importlib.import_module(MODULE)
    except ImportError as error:
        raise RuntimeError(f"cannot import {MODULE} ({error}): {pip_install('smax')}") from None
    finally:
        for name in PARENTS:
            sys.modules.pop(name, None)


def unexecuted(package: str) -> ModuleType:
    """Give a package whose modules can be imported, though its own code has not run."""
    place = Path(*package.split("."))
    top = find_spec(PARENTS[0])
    if top is None or not top.submodule_search_locations:
        raise ImportError("no module named 'jaxmarl'")
    root = Path(next(iter(top.submodule_search_locations))).parent
    module = module_from_spec(top)
    module.__name__, module.__path__ = package, [str(root / place)]
    return module
