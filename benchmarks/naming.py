"""Tasks by the names that the benchmarks of environments are given."""

from collections.abc import Iterator

from marlbench.host import load_catalogue
from marlbench.plugin import Suite


def named(words: list[str]) -> Iterator[tuple[Suite, list[str]]]:
    """Give a suite for each `SUITE/TASK` or `SUITE`, with the task if it is named; else all."""
    catalogue = load_catalogue()
    for word in words or catalogue.suites:
        name, _, task = word.partition("/")
        yield catalogue.suite(name), [task] if task else []
