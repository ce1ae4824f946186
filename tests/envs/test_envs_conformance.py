"""Every task of the suites that come with marlbench keeps the promises of `marlbench.plugin`."""

from __future__ import annotations

import pytest

import marlbench_pettingzoo
import marlbench_probe
import marlbench_skirmish
from marlbench.plugin import Suite
from marlbench.testing import check_suite

PLUGINS = (marlbench_skirmish, marlbench_probe, marlbench_pettingzoo)
SUITES = [suite for plugin in PLUGINS for suite in plugin.marlbench_suites()]
DEFAULTS = [(suite, suite.default_task) for suite in SUITES]
OTHERS = [(suite, task) for suite in SUITES for task in suite.tasks if task != suite.default_task]


def name(value: Suite | str) -> str:
    """Give a suite or task its name in a test's name."""
    return value.name if isinstance(value, Suite) else value


def assert_conforms(suite: Suite, task: str) -> None:
    """Fail with what `check_suite` holds against a task."""
    assert not [finding for finding in check_suite(suite, task) if not finding.passed]


@pytest.mark.parametrize(("suite", "task"), DEFAULTS, ids=name)
def test_default_tasks_conform(suite: Suite, task: str) -> None:
    assert_conforms(suite, task)


@pytest.mark.slow
@pytest.mark.parametrize(("suite", "task"), OTHERS, ids=name)
def test_all_other_tasks_conform(suite: Suite, task: str) -> None:
    assert_conforms(suite, task)
