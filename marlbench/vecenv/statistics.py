"""Keeps the score of episodes while E copies play them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.vecenv.checks import SpecViolation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.plugin import EnvSpec, Step


@dataclass(frozen=True)
class Episode:
    """An episode that ended."""

    copy: int
    agent_returns: list[float]
    length: int
    """Env steps."""
    won: bool
    crashed: bool
    total: float
    """The return: the team's, or the sum over agents where each has its own reward."""
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

    def __post_init__(self) -> None:
        """Begin with nothing played."""
        self.returns = np.zeros((self.num_envs, self.spec.num_agents))
        self.lengths = np.zeros(self.num_envs, dtype=np.int64)

    def add(self, step: Step) -> list[Episode]:
        """Take the step that arrived; give the episodes that end with it."""
        self.returns = np.where(step.first[:, None], 0.0, self.returns + step.reward)
        self.lengths = np.where(step.first, 0, self.lengths + ~crashed(step))
        if self.lengths.max() > self.spec.episode_limit:
            raise SpecViolation(
                f"an episode has {self.lengths.max()} steps, "
                f"the spec's episode_limit is {self.spec.episode_limit}"
            )
        return [self._ended(step, int(copy)) for copy in np.flatnonzero(step.last)]

    def _ended(self, step: Step, copy: int) -> Episode:
        returns: list[float] = self.returns[copy].tolist()
        return Episode(
            copy=copy,
            agent_returns=returns,
            length=int(self.lengths[copy]),
            won=_flag(step, "won", copy),
            crashed=_flag(step, "crashed", copy),
            cut=_flag(step, "cut", copy),
            total=returns[0] if self.spec.reward == "team" else float(sum(returns)),
        )


def crashed(step: Step) -> NDArray[np.bool_]:
    """Give (E,): the copies whose episode the host cut with this step."""
    flags: Any = step.info.get("crashed")
    return np.zeros(len(step.last), dtype=bool) if flags is None else np.asarray(flags)


def _flag(step: Step, name: str, copy: int) -> bool:
    flags = step.info.get(name)
    return False if flags is None else bool(flags[copy])
