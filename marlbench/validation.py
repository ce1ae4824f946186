"""What a plugin may offer, and what is wrong with an entry that breaks the contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marlbench.errors import did_you_mean
from marlbench.executors import Executor
from marlbench.plugin import Algorithm, AlgorithmConfig, Config, Preset, Suite
from marlbench.sinks import Sink
from marlbench.studies import Study

__all__ = ["NAMED", "UNNAMED", "flaw"]

NAMED: dict[str, type[Any]] = {
    "algorithms": Algorithm,
    "suites": Suite,
    "presets": Preset,
    "studies": Study,
    "executors": Executor,
    "sinks": Sink,
}
UNNAMED = ("report_sections",)


def flaw(kind: str, entry: Any) -> str | None:
    """Say in one line what is wrong with an entry of a kind; None if nothing is."""
    if kind in UNNAMED:
        return None if _is_section(entry) else f"{entry!r}, which is no Section"
    wanted = NAMED[kind]
    if not isinstance(entry, wanted):
        return f"{entry!r}, which is no {wanted.__name__}"
    wrong = next(_flaws(entry), None)
    return f"{entry.name!r} with {wrong}" if wrong else None


def _is_section(entry: Any) -> bool:
    """Tell by its looks: the report has the class, and is not loaded to list plugins."""
    return isinstance(getattr(entry, "name", None), str) and callable(
        getattr(entry, "render", None)
    )


def _flaws(entry: Any) -> Iterator[str]:
    """Give all that is wrong, the first of which keeps the next from being asked."""
    if isinstance(entry, Algorithm):
        yield from _wrong_config(entry.config, AlgorithmConfig)
    if isinstance(entry, Suite):
        yield from _wrong_config(entry.config, Config)
        yield from _wrong_tasks(entry)
        yield from _wrong_forms(entry)
    if isinstance(entry, Executor):
        yield from _wrong_config(entry.config, Config)
    if isinstance(entry, Study):
        yield from entry.flaws()


def _wrong_config(config: Any, wanted: type[Config]) -> Iterator[str]:
    if not isinstance(config, type) or not issubclass(config, wanted):
        said = config.__name__ if isinstance(config, type) else repr(config)
        name = wanted.__name__
        yield f"the config {said}, which is no {name}: derive it from marlbench.plugin.{name}"


def _wrong_forms(suite: Suite) -> Iterator[str]:
    if (suite.build is None) == (suite.build_vector is None):
        both = "neither build nor" if suite.build is None else "both build and"
        yield f"{both} build_vector: give one of the two"


def _wrong_tasks(suite: Suite) -> Iterator[str]:
    for name in ("tasks", "paper_tasks"):
        if not isinstance(tasks := getattr(suite, name), tuple | list):
            yield f"the {name} {tasks!r}, which is no tuple of names"
    if suite.open_tasks:  # builds more than it lists
        return
    named = [("default_task", suite.default_task)]
    named += [("paper_tasks", task) for task in suite.paper_tasks]
    for name, task in named:
        if task not in suite.tasks:
            near = did_you_mean(str(task), map(str, suite.tasks))
            yield f"the {name} {task!r}, which is not among its tasks{near}"
