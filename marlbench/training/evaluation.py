"""The evaluation protocol, the host's own: the same episodes for every algorithm."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.vecenv.seeding import evaluation_seed
from marlbench.vecenv.statistics import Episode, EpisodeStatistics
from marlbench.vecenv.synchronous import EnvironmentFailure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.config import Evaluation, RunConfig
    from marlbench.plugin import Agent, EnvSpec, Step, VectorEnv

REPLAYS = 10
"""An evaluation episode that crashes so often makes the run a failed one."""


def schedule(run: RunConfig) -> list[int]:
    """Give the env steps at which a run is evaluated: 0 and the end are always among them.

    >>> from marlbench.config import Evaluation, RunConfig
    >>> schedule(RunConfig(steps=25, evaluation=Evaluation(every=10)))
    [0, 10, 20, 25]
    """
    return [*range(0, run.steps, run.evaluation.every), run.steps]


def num_envs(protocol: Evaluation) -> int:
    """Give the number of copies that play: no more than there are episodes."""
    return min(protocol.num_envs, protocol.episodes)


def evaluate(
    agent: Agent,
    env: VectorEnv,
    protocol: Evaluation,
    rng_of_step: Callable[[int], np.random.Generator],
    between_steps: Callable[[], None] = lambda: None,
) -> tuple[list[Episode], int]:
    """Play greedy episodes with a fresh policy state; give those that count, and the crashes.

    `rng_of_step` gives the randomness of the k-th vector step, which `act` draws from.

    Every copy plays its quota, whatever its episodes' lengths: the first to finish would favour
    short ones. `between_steps` may raise.
    """
    quota = Quota(protocol)
    for _ in play(agent, env, quota, rng_of_step):
        between_steps()
    return quota.episodes(), quota.crashed


def play(
    agent: Agent, env: VectorEnv, quota: Quota, rng_of_step: Callable[[int], np.random.Generator]
) -> Iterator[Step]:
    """Play until the quota is filled; give every step (E, ...)."""
    statistics = EpisodeStatistics(env.spec, env.num_envs)
    step, policy_state = env.reset(quota.seeds()), agent.start(env.num_envs)
    yield step
    for t in itertools.count():
        if quota.filled:
            return
        actions, policy_state = agent.act(step, policy_state, rng_of_step(t), explore=False)
        step = env.step(actions, quota.seeds())
        for episode in statistics.add(step):
            quota.take(episode)
        yield step


class Quota:
    """Which episode every copy plays now, and those that it has played."""

    def __init__(self, protocol: Evaluation) -> None:
        """Share the episodes among the copies, the first ones taking the rest of the division."""
        count = num_envs(protocol)
        self.crashed = 0
        self._share = [
            protocol.episodes // count + (e < protocol.episodes % count) for e in range(count)
        ]
        self._played: list[list[Episode]] = [[] for _ in range(count)]
        self._replays = [0] * count

    @property
    def filled(self) -> bool:
        """Whether every copy has played its share."""
        return all(len(p) >= s for p, s in zip(self._played, self._share, strict=True))

    def seeds(self) -> NDArray[np.int64]:
        """Give the seeds (E,) of the episodes to begin."""
        each = enumerate(zip(self._played, self._replays, strict=True))
        return np.array([evaluation_seed(e, len(played), replay) for e, (played, replay) in each])

    def take(self, episode: Episode) -> None:
        """Count an episode; one that crashed is played again with a further seed."""
        copy = episode.copy
        if not episode.crashed:
            self._played[copy].append(episode)
            self._replays[copy] = 0
            return
        self.crashed += 1
        self._replays[copy] += 1
        if self._replays[copy] == REPLAYS:
            raise EnvironmentFailure(f"an evaluation episode crashed {REPLAYS} times in a row")

    def episodes(self) -> list[Episode]:
        """Give every copy's share; what a copy played while others finished does not count."""
        shares = zip(self._played, self._share, strict=True)
        return [episode for played, share in shares for episode in played[:share]]


def score(episodes: list[Episode], spec: EnvSpec) -> dict[str, Any]:
    """Give the columns of an `eval.jsonl` row that say how the episodes went."""
    lengths = [episode.length for episode in episodes]
    values = {m.name: [episode.values[m.name] for episode in episodes] for m in spec.metrics}
    row: dict[str, Any] = {
        "episodes": len(episodes),
        "metrics": {name: float(np.mean(each)) for name, each in values.items()},
        "length": float(np.mean(lengths)),
        "values": values,
        "lengths": lengths,
    }
    if spec.reward == "individual":
        row["agent_returns"] = [episode.agent_returns for episode in episodes]
    return row
