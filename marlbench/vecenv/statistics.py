"""Keeps the score of episodes while E copies play them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.vecenv.checks import SpecViolation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.metrics import Metric
    from marlbench.plugin import EnvSpec, Step


@dataclass(frozen=True)
class Episode:
    """An episode that ended."""

    copy: int
    length: int
    """Env steps."""
    crashed: bool
    total: float
    """The return: the team's, or the sum over agents where each has its own reward."""
    agent_returns: list[float]
    values: dict[str, float]
    """Of every declared metric by name; of no meaning where the episode crashed."""
    cut: bool = False
    """Whether a limit of the suite ended what would have gone on."""


@dataclass
class EpisodeStatistics:
    """The sums of the episodes under way in every copy."""

    spec: EnvSpec
    num_envs: int
    returns: NDArray[np.float64] = field(init=False)
    """(E, A)"""
    lengths: NDArray[np.int64] = field(init=False)
    """(E,)"""
    running: dict[str, NDArray[np.float64]] = field(init=False)
    """(E,) of every metric that is read from `Step.info`."""

    def __post_init__(self) -> None:
        """Begin with nothing played."""
        self.returns = np.zeros((self.num_envs, self.spec.num_agents))
        self.lengths = np.zeros(self.num_envs, dtype=np.int64)
        read = [metric.name for metric in self.spec.metrics if metric.info is not None]
        self.running = {name: np.zeros(self.num_envs) for name in read}

    def add(self, step: Step) -> list[Episode]:
        """Take the step that arrived; give the episodes that end with it."""
        self.returns = np.where(step.first[:, None], 0.0, self.returns + step.reward)
        self.lengths = np.where(step.first, 0, self.lengths + ~crashed(step))
        if self.lengths.max() > self.spec.episode_limit:
            raise SpecViolation(
                f"an episode has {self.lengths.max()} steps, "
                f"the spec's episode_limit is {self.spec.episode_limit}"
            )
        for metric in self.spec.metrics:
            if metric.info is not None:
                self._read(metric, metric.info, step)
        return [self._ended(step, int(copy)) for copy in np.flatnonzero(step.last)]

    def total(self, copy: int) -> float:
        """Give a copy's return so far: the team's, or the sum over agents."""
        returns: list[float] = self.returns[copy].tolist()
        return returns[0] if self.spec.reward == "team" else sum(returns)

    def _read(self, metric: Metric, key: str, step: Step) -> None:
        """Take what a step says of a metric; raises `SpecViolation` where it has to and does not.

        `last` is read on `last` steps, all others on every step but the first. Nothing is asked
        of the step that stands for a crash.
        """
        given = step.info.get(key)
        value = np.full(self.num_envs, np.nan) if given is None else np.asarray(given, np.float64)
        asked = (step.last if metric.reduce == "last" else ~step.first) & ~crashed(step)
        if (asked & ~np.isfinite(value)).any():
            said = "has none" if given is None else f"says {value[asked].tolist()}"
            raise SpecViolation(
                f"the metric {metric.name!r} is read from info[{key!r}], and the step {said}"
            )
        before = self.running[metric.name]
        value = np.where(asked, value, 0.0)
        if metric.reduce == "last":
            self.running[metric.name] = value
        elif metric.reduce == "max":
            begun = self.lengths > 1
            after = np.where(begun, np.maximum(before, value), value)
            self.running[metric.name] = np.where(asked, after, before)
        else:
            self.running[metric.name] = np.where(step.first, 0.0, before + value)

    def _ended(self, step: Step, copy: int) -> Episode:
        returns: list[float] = self.returns[copy].tolist()
        total = self.total(copy)
        length = int(self.lengths[copy])
        values = {metric.name: self._value(metric, copy, total) for metric in self.spec.metrics}
        ends = [bool(flags(step, name)[copy]) for name in ("crashed", "cut")]
        return Episode(copy, length, ends[0], total, returns, values, ends[1])

    def _value(self, metric: Metric, copy: int, total: float) -> float:
        if metric.info is None:
            return total
        value = float(self.running[metric.name][copy])
        return value / max(1, int(self.lengths[copy])) if metric.reduce == "mean" else value


def crashed(step: Step) -> NDArray[np.bool_]:
    """Give (E,): the copies whose episode the host cut with this step."""
    return flags(step, "crashed")


def flags(step: Step, name: str) -> NDArray[np.bool_]:
    """Give (E,) what a step says of every copy; False where it says nothing."""
    said: Any = step.info.get(name)
    return np.zeros(len(step.last), dtype=bool) if said is None else np.asarray(said, dtype=bool)
