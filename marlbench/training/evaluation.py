"""The evaluation protocol, the host's own: the same episodes for every algorithm."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from marlbench.vecenv.seeding import evaluation_seed, step_rng
from marlbench.vecenv.statistics import Episode, EpisodeStatistics
from marlbench.vecenv.synchronous import EnvironmentFailure, last_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.config import Evaluation, RunConfig
    from marlbench.plugin import Agent, EnvSpec, Step, VectorEnv

KINDS = {"curve": 1, "final": 2, "by hand": 3, "imagined": 4}
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


@dataclass(frozen=True)
class Occasion:
    """An evaluation's place: with the run's seed it decides all that is random in it.

    Start states come from kind and place alone, so they are the same for every algorithm and seed.
    """

    kind: Literal["curve", "final", "by hand", "imagined"]
    place: int
    """Of the curve: the point of the schedule, in env steps; a seed by hand and where a model is
    judged; else 0."""
    episodes: int
    sampled: bool = False
    """Whether actions are sampled from the policy; if not they are the likeliest."""

    @property
    def key(self) -> tuple[int, int]:
        """Kind and place as numbers."""
        return KINDS[self.kind], self.place

    def rng(self, seed: int, t: int) -> np.random.Generator:
        """Give the randomness of the t-th vector step in a run of this seed."""
        return step_rng(seed, "evaluation steps", *self.key, int(self.sampled), t)


def evaluate(
    agent: Agent,
    env: VectorEnv,
    occasion: Occasion,
    seed: int,
    between_steps: Callable[[], None] = lambda: None,
) -> Quota:
    """Play an occasion's episodes with a fresh policy state, in a run of this seed.

    Every copy plays its quota, whatever its episodes' lengths: the first to finish would favour
    short ones. `between_steps` may raise.
    """
    quota = Quota(occasion, env.num_envs)
    for _ in play(agent, env, quota, seed):
        between_steps()
    return quota


def play(
    agent: Agent, env: VectorEnv, quota: Quota, seed: int
) -> Iterator[tuple[Step, NDArray[Any]]]:
    """Play until the quota is filled; give every step (E, ...) and the actions at it."""
    occasion = quota.occasion
    statistics = EpisodeStatistics(env.spec, env.num_envs)
    step, policy_state = env.reset(quota.seeds()), agent.start(env.num_envs)
    for t in itertools.count():
        rng = occasion.rng(seed, t)
        actions, policy_state = agent.act(step, policy_state, rng, explore=occasion.sampled)
        yield step, actions
        if quota.filled:
            return
        step = env.step(actions, quota.seeds())
        for episode in statistics.add(step):
            quota.take(episode, last_error(env, episode.copy))


class Quota:
    """Which episode every copy plays now, and those that it has played."""

    def __init__(self, occasion: Occasion, num_envs: int) -> None:
        """Share the episodes among the copies, the first ones taking the rest of the division."""
        self.occasion = occasion
        self.crashed = 0
        share, rest = divmod(occasion.episodes, num_envs)
        # episodes of every copy
        self.share = [share + (copy < rest) for copy in range(num_envs)]
        self._played: list[list[Episode]] = [[] for _ in range(num_envs)]
        self._played_seeds: list[list[int]] = [[] for _ in range(num_envs)]
        self._replays = [0] * num_envs

    @property
    def filled(self) -> bool:
        """Whether every copy has played its share."""
        return all(len(p) >= s for p, s in zip(self._played, self.share, strict=True))

    def seeds(self) -> NDArray[np.int64]:
        """Give the seeds (E,) of the episodes to begin."""
        return np.array([self._seed(copy) for copy in range(len(self._played))])

    def _seed(self, copy: int) -> int:
        played, replay = len(self._played[copy]), self._replays[copy]
        return evaluation_seed(self.occasion.key, copy, played, replay)

    def take(self, episode: Episode, error: str = "") -> None:
        """Count an episode; one that this error crashed is played again with a further seed."""
        copy = episode.copy
        if not episode.crashed:
            self._played_seeds[copy].append(self._seed(copy))
            self._played[copy].append(episode)
            self._replays[copy] = 0
            return
        self.crashed += 1
        self._replays[copy] += 1
        if self._replays[copy] == REPLAYS:
            raise EnvironmentFailure(
                f"an evaluation episode crashed {REPLAYS} times in a row, at last with {error}"
            )

    def episodes(self) -> list[Episode]:
        """Give every copy's share; what a copy played while others finished does not count."""
        shares = zip(self._played, self.share, strict=True)
        return [episode for played, share in shares for episode in played[:share]]

    def played_seeds(self) -> list[int]:
        """Give the seeds of `episodes`."""
        shares = zip(self._played_seeds, self.share, strict=True)
        return [seed for seeds, share in shares for seed in seeds[:share]]


def score(quota: Quota, spec: EnvSpec) -> dict[str, Any]:
    """Give the columns of an `eval.jsonl` row that say how the episodes went."""
    episodes = quota.episodes()
    lengths = [episode.length for episode in episodes]
    values = {m.name: [episode.values[m.name] for episode in episodes] for m in spec.metrics}
    row: dict[str, Any] = {
        "crashed": quota.crashed,
        "episodes": len(episodes),
        "metrics": {name: float(np.mean(each)) for name, each in values.items()},
        "length": float(np.mean(lengths)),
        "cut": sum(episode.cut for episode in episodes),
        "values": values,
        "lengths": lengths,
        "seeds": quota.played_seeds(),
    }
    if spec.reward == "individual":
        row["agent_returns"] = [episode.agent_returns for episode in episodes]
    return row
