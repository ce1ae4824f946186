"""The hooks, typed, a sentence each: what a plugin may offer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

from marlbench.executors import Executor
from marlbench.plugin import Algorithm, Preset, Suite
from marlbench.sinks import Sink
from marlbench.studies import Study

if TYPE_CHECKING:
    from marlbench.report import Section

hookspec = pluggy.HookspecMarker("marlbench")


@hookspec
def marlbench_algorithms() -> Iterable[Algorithm]:  # type: ignore[empty-body]
    """Learners."""


@hookspec
def marlbench_suites() -> Iterable[Suite]:  # type: ignore[empty-body]
    """Families of tasks."""


@hookspec
def marlbench_presets() -> Iterable[Preset]:  # type: ignore[empty-body]
    """Named settings."""


@hookspec
def marlbench_studies() -> Iterable[Study]:  # type: ignore[empty-body]
    """Sets of variants that are compared, with their figures."""


@hookspec
def marlbench_executors() -> Iterable[Executor]:  # type: ignore[empty-body]
    """Ways to start many runs."""


@hookspec
def marlbench_report_sections() -> Iterable[Section]:  # type: ignore[empty-body]
    """Further parts of a report."""


@hookspec
def marlbench_sinks() -> Iterable[Sink]:  # type: ignore[empty-body]
    """Places that rows of runs are handed on to."""
