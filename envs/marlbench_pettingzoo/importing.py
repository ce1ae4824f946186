"""Imports simulators quietly, and says in one line what to install where one is missing."""

from __future__ import annotations

import importlib
import os
import warnings
from typing import Any


def simulator(module: str, remedy: str) -> Any:
    """Import a module; RuntimeError with the remedy if it, or something it needs, is missing."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame prints on import
    with warnings.catch_warnings():  # what simulators import warns of its own future
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return importlib.import_module(module)
        except (ImportError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise RuntimeError(f"cannot import {module!r} ({reason}): {remedy}") from None
