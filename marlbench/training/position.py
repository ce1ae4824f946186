"""Where a run stands: with the agent's state and the copies, all that a checkpoint keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.vecenv.statistics import crashed

if TYPE_CHECKING:
    from marlbench.plugin import Step
    from marlbench.store.kept import Kept
    from marlbench.vecenv.seeding import TrainingSeeds
    from marlbench.vecenv.statistics import EpisodeStatistics


@dataclass
class Position:
    """Where a run stands in its training."""

    step: Step
    """What the agent has not seen yet."""
    policy_state: Any
    """What acting carries from step to step."""
    seeds: TrainingSeeds
    statistics: EpisodeStatistics
    vector_steps: int = 0
    """Steps of all copies together, ends of episodes too: the place of their randomness."""
    env_steps: int = 0
    """Real transitions, all copies together."""
    updates: int = 0
    evaluations: int = 0
    """How many evaluations of the schedule are done."""
    returns: list[float] = field(default_factory=list)
    """Of the training episodes that ended since the last row of `train.jsonl`."""
    kept: tuple[Kept, ...] = ()
    """Policies that stay beside the newest, by point."""
    saved: int = 0
    """Env steps at the last checkpoint."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Spent on the run up to the last checkpoint, by phase: no part of what a seed decides."""

    def arrive(self, step: Step) -> None:
        """Go on to the step that the copies answered."""
        self.vector_steps += 1
        self.env_steps += int(np.sum(~self.step.last & ~crashed(step)))
        self.returns += [e.total for e in self.statistics.add(step) if not e.crashed]
        self.step = step
