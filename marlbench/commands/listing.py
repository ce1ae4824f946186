"""`marlbench list`: what is installed, and what is broken, with the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from marlbench.host import Catalogue
from marlbench.installation import DISTRIBUTION
from marlbench.needs import missing
from marlbench.plugin import Algorithm, Suite

__all__ = ["listing"]

OWN = f"{DISTRIBUTION} "
TASKS_WIDTH = 80
"""Characters of names of tasks in the line of a suite."""


def listing(catalogue: Catalogue) -> Iterator[str]:
    """Give the lines of the catalogue."""
    algorithms = [(each.name, _algorithm(each)) for each in catalogue.algorithms.values()]
    suites = [(each.name, _suite(each)) for each in catalogue.suites.values()]
    presets = [(each.name, each.summary) for each in catalogue.presets.values()]
    executors = [(each.name, each.summary) for each in catalogue.executors.values()]
    yield from _block(catalogue, "algorithms", algorithms)
    yield from _block(catalogue, "suites", suites)
    yield from _block(catalogue, "presets", presets)
    studies = [(each.name, each.summary) for each in catalogue.studies.values()]
    yield from _block(catalogue, "studies", studies)
    yield from _block(catalogue, "executors", executors)
    yield from _block(catalogue, "sinks", [(e.name, e.summary) for e in catalogue.sinks.values()])
    if catalogue.broken:
        yield "broken plugins, set aside"
        yield from (f"  {broken}" for broken in catalogue.broken)
        yield ""
    yield "marlbench show NAME gives the settings, marlbench run --help the next step"


def _block(catalogue: Catalogue, kind: str, entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    entries = sorted(entries)
    yield kind if entries else f"{kind}: none installed"
    width = max((len(name) for name, _ in entries), default=0)
    for name, text in entries:
        whose = catalogue.offered_by.get((kind, name), OWN)
        third = "" if whose.startswith(OWN) else f"  [{whose}]"
        yield f"  {name:<{width}}  {text}{third}".rstrip()
    yield ""


def _algorithm(algorithm: Algorithm) -> str:
    gpu = ", wants a GPU" if algorithm.wants_gpu else ""
    return f"{algorithm.execution}{gpu}  {algorithm.paper}"


def _suite(suite: Suite) -> str:
    if lack := missing(suite):
        return f"not installed: {lack.partition(': ')[2]}"
    named = _some(suite.tasks)
    left = len(suite.tasks) - len(named)
    return "".join(
        [
            f"{len(suite.tasks)} task{'s' if len(suite.tasks) > 1 else ''}: {', '.join(named)}",
            f" ... and {left} more" if left else "",
            ", or any that it can build" if suite.open_tasks else "",
            f": marlbench show {suite.name}" if left else "",
        ]
    )


def _some(tasks: Sequence[str]) -> Sequence[str]:
    """Give the first tasks, as many as fit beside each other and at least one."""
    lengths = accumulate(len(task) + len(", ") for task in tasks)
    return tasks[: max(1, sum(length <= TASKS_WIDTH for length in lengths))]
