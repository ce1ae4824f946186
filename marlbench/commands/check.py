"""`marlbench check`: does a plugin keep its promises."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from marlbench.errors import UserError
from marlbench.host import Catalogue, check_task, load_catalogue
from marlbench.needs import require_installed

if TYPE_CHECKING:
    from marlbench.testing import Verdict

__all__ = ["check_plugin", "verdicts"]


def check_plugin(catalogue: Catalogue, name: str, task: str | None) -> tuple[list[str], bool]:
    """Give a line per promise and whether all are kept; raises UserError."""
    seen = verdicts(catalogue, name, task)
    lines = [
        f"{'ok  ' if each.passed else 'FAIL'}  {each.name}  ({each.seconds:.1f} s)"
        + (f": {each.detail}" if each.detail else "")
        for each in seen
    ]
    failed = sum(not each.passed for each in seen)
    lines.append(f"{name}: {len(seen) - failed} of {len(seen)} promises kept")
    return lines, failed == 0


def verdicts(catalogue: Catalogue, name: str, task: str | None) -> list[Verdict]:
    """Give a verdict per promise of an algorithm or suite; raises UserError.

    It is tried in a process of its own; that it ends before is the one verdict then.
    """
    if name in catalogue.algorithms:
        if task is not None:
            raise UserError(f"--task is for suites; {name} is an algorithm")
    elif name in catalogue.suites:
        suite = catalogue.suites[name]
        require_installed(suite)
        check_task(suite, task or suite.default_task)
    else:
        known = [*catalogue.algorithms, *catalogue.suites]
        raise catalogue.unknown("an algorithm or suite", name, known)
    from marlbench.testing import Verdict
    from marlbench.vecenv.process import ProcessEnded, call

    begun = time.monotonic()
    try:
        return call(tried, name, task)
    except ProcessEnded as error:
        seconds = time.monotonic() - begun
        return [Verdict("its process goes on", False, str(error), seconds)]


def tried(name: str, task: str | None) -> list[Verdict]:
    """Give the verdicts on an algorithm or suite that is there."""
    from marlbench.testing import check_algorithm, check_suite

    catalogue = load_catalogue()
    if name in catalogue.algorithms:
        return check_algorithm(catalogue.algorithms[name])
    suite = catalogue.suites[name]
    return check_suite(suite, task or suite.default_task)
