"""What a suite needs on this machine, whether it is there, and what mends it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from marlbench.errors import UserError, one_line
from marlbench.installation import pip_install
from marlbench.plugin import Finding, Suite

__all__ = ["examined", "importable", "missing", "remedy", "require_installed", "require_ready"]


def require_installed(suite: Suite) -> None:
    """Raise UserError with the remedy if a suite lacks what it requires."""
    if lack := missing(suite):
        raise UserError(lack)


def require_ready(suite: Suite) -> None:
    """Raise UserError in one line for what `examine` finds missing, before a run would."""
    lacking = [each for each in examined(suite) if not each.ok]
    if lacking:
        said = "; ".join(filter(None, [lacking[0].what, lacking[0].remedy]))
        said += f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
        raise UserError(f"{suite.name} is not ready: {said} (marlbench env check {suite.name})")


def examined(suite: Suite) -> list[Finding]:
    """Give what a suite's `examine` finds, nothing where it has none; never raises."""
    try:
        return list(suite.examine()) if suite.examine else []
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        return [Finding(f"looking for it failed: {one_line(error)}", False)]


def missing(suite: Suite) -> str | None:
    """Say what a suite lacks, with the remedy, without importing its simulator."""
    absent = [name for name in suite.requires if not importable(name)]
    if not absent:
        return None
    return f"the suite {suite.name!r} needs {', '.join(absent)}: {remedy(suite, absent)}"


def remedy(suite: Suite, absent: Iterable[str]) -> str:
    """Give the one line that installs what a suite lacks, or that says more of it."""
    steps = [pip_install(suite.extra)] if suite.extra else []
    if suite.install is not None:
        steps.append(f"marlbench env install {suite.name}")
    if not steps and suite.examine is not None:
        return f"marlbench env check {suite.name}"
    return " && ".join(steps) or f"pip install {' '.join(absent)}"


def importable(module: str) -> bool:
    """Whether a module is there, by its name; its package is imported, itself it is not."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
