"""Plays a trained agent's evaluation episodes again and draws every step.

The film of a checkpoint that was evaluated shows the very episodes of that evaluation's row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from marlbench.training import evaluation
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.single import build_single, render
from marlbench.vecenv.statistics import EpisodeStatistics
from marlbench.vecenv.synchronous import SyncVectorEnv

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.config import RunSpec
    from marlbench.plugin import Agent, EnvSpec, Step, Suite


@dataclass(frozen=True)
class Frame:
    """One step of an episode, drawn."""

    picture: NDArray[np.uint8]
    """(height, width, 3)"""
    caption: str
    last: bool
    """Whether the episode ends with it."""


def copies_of(spec: RunSpec, suite: Suite) -> CheckedVectorEnv:
    """Build the copies that evaluate a run, each of which can be drawn."""
    config = suite.config(**spec.suite_config)
    make = partial(build_single, suite, spec.task, config)
    return CheckedVectorEnv(SyncVectorEnv(make, evaluation.num_envs(spec.run.evaluation)))


@dataclass(frozen=True)
class Playback:
    """An agent, and the evaluation whose episodes it plays again."""

    agent: Agent
    env: CheckedVectorEnv
    """As `copies_of` builds it."""
    suite: Suite
    spec: RunSpec
    point: int
    """Of the evaluation, in env steps: with the run's seed it decides what `act` draws."""

    def frames(self, episodes: int) -> Iterator[Frame]:
        """Give the frames of the first episodes, one episode after another.

        All copies play, and anew for every episode: so no more than one picture is held.
        """
        copies = self.env.inside
        assert isinstance(copies, SyncVectorEnv)
        for number in range(episodes):
            copy, turn = number % self.env.num_envs, number // self.env.num_envs
            said = f"episode {number + 1}" if episodes > 1 else ""
            camera = Camera(self.suite, copies, copy)
            statistics = EpisodeStatistics(self.env.spec, self.env.num_envs)
            for step in episode(self.steps(), copy, turn, statistics):
                if (picture := camera()) is not None:
                    line = caption(said, step, copy, statistics)
                    yield Frame(picture, line, bool(step.last[copy]))

    def steps(self) -> Iterator[Step]:
        """Play the evaluation; give every step (E, ...)."""
        occasion = evaluation.Occasion("curve", self.point, self.spec.run.evaluation.episodes)
        quota = evaluation.Quota(occasion, self.env.num_envs)
        return (step for step, _ in evaluation.play(self.agent, self.env, quota, self.spec.seed))


def episode(
    steps: Iterator[Step], copy: int, turn: int, statistics: EpisodeStatistics
) -> Iterator[Step]:
    """Give the steps of a copy's episode of this turn, those of all copies being played."""
    ended = 0
    for step in steps:
        if not step.first.all():
            statistics.add(step)
        if ended == turn:
            yield step
        ended += bool(step.last[copy])
        if ended > turn:
            return


def caption(said: str, step: Step, copy: int, statistics: EpisodeStatistics) -> str:
    """Say where an episode stands."""
    parts = [
        said,
        f"step {int(statistics.lengths[copy])}",
        f"return {statistics.total(copy):.1f}",
        outcome(step, copy, statistics.spec),
    ]
    return "   ".join(filter(None, parts))


def outcome(step: Step, copy: int, spec: EnvSpec) -> str:
    """Say how an episode ended, nothing before its end."""
    if not step.last[copy]:
        return ""
    if np.any(step.info.get("crashed", [False])[copy]):
        return "crashed"
    if any(metric.info == "won" for metric in spec.metrics):
        return "won" if step.info["won"][copy] else "not won"
    return "end" if step.terminal[copy] else "time is up"


class Camera:
    """Draws one of the copies; after a crash there is none, and the last picture stays."""

    _picture: NDArray[np.uint8] | None = None

    def __init__(self, suite: Suite, copies: SyncVectorEnv, copy: int) -> None:
        self._suite, self._copies, self._copy = suite, copies, copy

    def __call__(self) -> NDArray[np.uint8] | None:
        """Give the picture (height, width, 3); None as long as there was no copy."""
        if (env := self._copies.envs[self._copy]) is not None:
            self._picture = render(self._suite, env)
        return self._picture
