"""Plays a trained agent's evaluation episodes again and draws every step.

One copy plays here where many did: the episodes are the same, but a learner that draws random
numbers also when it plays greedily, as world models draw their latent states, draws others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from marlbench.run import evaluation
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.seeding import evaluation_seed
from marlbench.vecenv.single import build_single, draw
from marlbench.vecenv.statistics import EpisodeStatistics
from marlbench.vecenv.synchronous import SyncVectorEnv

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.config import Evaluation, RunSpec
    from marlbench.plugin import Agent, EnvSpec, Step, Suite


@dataclass(frozen=True)
class Frame:
    """One step of an episode, drawn."""

    picture: NDArray[np.uint8]
    """(height, width, 3)"""
    caption: str
    last: bool
    """Whether the episode ends with it."""


def copy_of(spec: RunSpec, suite: Suite) -> CheckedVectorEnv:
    """Build one copy of a run's task, which is rebuilt if it crashes."""
    config = suite.config(**spec.suite_config)
    return CheckedVectorEnv(SyncVectorEnv(partial(build_single, suite, spec.task, config), 1))


def frames(agent: Agent, env: CheckedVectorEnv, suite: Suite, seeds: list[int]) -> Iterator[Frame]:
    """Give the frames of greedy episodes, each of its seed and with a fresh memory."""
    assert isinstance(env.inside, SyncVectorEnv)
    drawn = Drawn(suite, env.inside)
    for number, seed in enumerate(seeds, start=1):
        said = f"episode {number}" if len(seeds) > 1 else ""
        for step, statistics in episode(agent, env, np.array([seed])):
            if (picture := drawn()) is not None:
                yield Frame(picture, caption(said, step, statistics), bool(step.last[0]))


def episode(
    agent: Agent, env: CheckedVectorEnv, seeds: NDArray[np.int64]
) -> Iterator[tuple[Step, EpisodeStatistics]]:
    """Play a greedy episode of one copy; give every step, and the score so far."""
    step, memory, statistics = env.reset(seeds), agent.start(1), EpisodeStatistics(env.spec, 1)
    yield step, statistics
    while not step.last[0]:
        actions, memory = agent.act(step, memory, explore=False)
        step = env.step(actions, seeds)
        statistics.add(step)
        yield step, statistics


def seeds(protocol: Evaluation, episodes: int) -> list[int]:
    """Give the seeds of the first evaluation episodes: every copy's first, then their second."""
    copies = evaluation.copies(protocol)
    return [evaluation_seed(k % copies, k // copies) for k in range(episodes)]


def caption(said: str, step: Step, statistics: EpisodeStatistics) -> str:
    """Say where an episode stands."""
    total = score(statistics)
    parts = [
        said,
        f"step {int(statistics.lengths[0])}",
        f"return {total:.1f}",
        outcome(step, statistics.spec),
    ]
    return "   ".join(filter(None, parts))


def score(statistics: EpisodeStatistics) -> float:
    """Give the return so far: the team's, or the sum over agents."""
    returns = statistics.returns[0]  # (A,)
    return float(returns[0] if statistics.spec.reward == "team" else returns.sum())


def outcome(step: Step, spec: EnvSpec) -> str:
    """Say how an episode ended, nothing before its end."""
    if not step.last[0]:
        return ""
    if step.info.get("crashed", [False])[0]:
        return "crashed"
    if "win" in spec.metrics:
        return "won" if step.info["won"][0] else "not won"
    return "end" if step.terminal[0] else "time is up"


class Drawn:
    """Draws the one copy; after a crash there is none, and the last picture stays."""

    _picture: NDArray[np.uint8] | None = None

    def __init__(self, suite: Suite, copies: SyncVectorEnv) -> None:
        self._suite, self._copies = suite, copies

    def __call__(self) -> NDArray[np.uint8] | None:
        """Give the picture (height, width, 3); None as long as there was no copy."""
        if (env := self._copies.envs[0]) is not None:
            self._picture = draw(self._suite, env)
        return self._picture
