"""Imports vmas, and says in one line what to install where it is missing."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from typing import Any

from marlbench.installation import pip_install


def vmas() -> Any:
    """Import vmas; RuntimeError with the remedy if it, or something it needs, is missing.

    It imports gym, which prints a notice and warns of its age.
    """
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):
        try:
            return importlib.import_module("vmas")
        except ImportError as error:
            reason = str(error).splitlines()[0]
            raise RuntimeError(f"cannot import vmas ({reason}): {pip_install('vmas')}") from None
