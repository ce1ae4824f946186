"""Every algorithm and every suite of the catalogue keeps the promises of the plugin contract."""

from __future__ import annotations

import pytest

from marlbench.host import load_catalogue
from marlbench.needs import missing
from marlbench.plugin import Algorithm, Suite
from marlbench.testing import check_algorithm, check_suite, insist
from marlbench_starcraft.installed import builds

CATALOGUE = load_catalogue()
COMPILED = {"smax"}
"""Suites of which each task is compiled for seconds first: all but the default are slow."""
STARCRAFT = {"smac", "smacv2"}
LONG = {
    "meltingpot": {"episode_length": 10},
    **{name: {"restart_every": 1} for name in STARCRAFT},  # then its seed alone decides an episode
}
"""Suites whose episodes take seconds to begin: a few steps of the paper's tasks, all slow."""
BRIEF = {"vmas": {"limit": 25}}
"""Suites of which a shorter episode shows the same."""


def slow(suite: Suite, task: str) -> bool:
    """Whether the check of a task takes more than seconds."""
    return suite.name in LONG or (suite.name in COMPILED and task != suite.default_task)


TASKS = [
    pytest.param(suite, task, marks=[pytest.mark.slow] if slow(suite, task) else [])
    for suite in CATALOGUE.suites.values()
    for task in (suite.paper_tasks if suite.name in LONG else suite.tasks)
]


def test_no_plugin_is_broken() -> None:
    assert CATALOGUE.broken == []


@pytest.mark.parametrize("algorithm", CATALOGUE.algorithms.values(), ids=lambda entry: entry.name)
def test_algorithm_keeps_its_promises(algorithm: Algorithm) -> None:
    insist(check_algorithm(algorithm))


@pytest.mark.parametrize(("suite", "task"), TASKS, ids=lambda part: getattr(part, "name", part))
def test_task_keeps_its_promises(suite: Suite, task: str) -> None:
    if lack := missing(suite):
        pytest.skip(lack)
    if suite.name in STARCRAFT and not builds():
        pytest.skip(f"StarCraft II is not installed: marlbench env check {suite.name}")
    insist(check_suite(suite, task, (LONG | BRIEF).get(suite.name)))
