"""Plays a trained agent's evaluation episodes again and draws every step.

The film of a checkpoint that was evaluated shows the very episodes of that evaluation's row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.plugin import Step
from marlbench.training import evaluation
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.single import build_single, render
from marlbench.vecenv.statistics import EpisodeStatistics
from marlbench.vecenv.synchronous import SyncVectorEnv

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.config import RunSpec
    from marlbench.plugin import Agent, Env, EnvSpec, Suite


@dataclass(frozen=True)
class Frame:
    """One step of an episode, drawn."""

    picture: NDArray[np.uint8]
    """(height, width, 3)"""
    caption: str
    last: bool
    """Whether the episode ends with it."""


class OneOfMany:
    """A `VectorEnv` of which one copy is played; the others show and are told nothing else.

    The learner acts on as many as the evaluation had, so that it draws and rounds as it did there.
    """

    def __init__(self, make: Callable[[], Env], num_envs: int) -> None:
        """Build the one that is played."""
        self._played = SyncVectorEnv(make, 1)
        self.num_envs, self.spec = num_envs, self._played.spec
        self.copy = 0
        """Which one it is, to be changed before a reset."""

    @property
    def played(self) -> Env | None:
        """The environment itself; None after a crash."""
        return self._played.envs[0]

    def reset(self, seeds: NDArray[np.int64]) -> Step:
        """Begin the episode of its seed, of seeds (E,)."""
        return self._everywhere(self._played.reset(self._own(seeds)))

    def step(self, actions: NDArray[Any], seeds: NDArray[np.int64]) -> Step:
        """Play its joint action of (E, A, *), or begin the episode of its seed."""
        return self._everywhere(self._played.step(self._own(actions), self._own(seeds)))

    def close(self) -> None:
        """Free what the simulator holds."""
        self._played.close()

    def _own(self, values: NDArray[Any]) -> NDArray[Any]:
        return values[self.copy : self.copy + 1]

    def _everywhere(self, step: Step) -> Step:
        """Give its step (1, ...) as every copy's, (E, ...)."""
        arrays = {each.name: getattr(step, each.name) for each in fields(step)}
        info = {name: self._repeated(values) for name, values in arrays.pop("info").items()}
        return Step(**{name: self._repeated(each) for name, each in arrays.items()}, info=info)

    def _repeated(self, values: NDArray[Any] | None) -> Any:
        return None if values is None else np.repeat(values, self.num_envs, 0)


def copies_of(spec: RunSpec, suite: Suite) -> CheckedVectorEnv:
    """Build what stands for the copies that evaluate a run; the one that plays can be drawn."""
    config = suite.config(**spec.suite_config)
    make = partial(build_single, suite, spec.task, config)
    return CheckedVectorEnv(OneOfMany(make, evaluation.num_envs(spec.run.evaluation)))


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

        Its copy plays anew for every episode: so there is one copy and no more than one picture.
        """
        copies = self.env.inside
        assert isinstance(copies, OneOfMany)
        for number in range(episodes):
            copy, turn = number % self.env.num_envs, number // self.env.num_envs
            copies.copy = copy
            said = f"episode {number + 1}" if episodes > 1 else ""
            camera = Camera(self.suite, copies)
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
    """Give the steps of a copy's episode of this turn, those before it being played too."""
    ended = 0
    for step in steps:
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
    """Draws the copy that plays; after a crash there is none, and the last picture stays."""

    _picture: NDArray[np.uint8] | None = None

    def __init__(self, suite: Suite, copies: OneOfMany) -> None:
        self._suite, self._copies = suite, copies

    def __call__(self) -> NDArray[np.uint8] | None:
        """Give the picture (height, width, 3); None as long as there was no copy."""
        if (env := self._copies.played) is not None:
            self._picture = render(self._suite, env)
        return self._picture
