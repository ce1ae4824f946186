"""Learning values from whole episodes: when to play at random, to learn, to copy the target.

A `ValueAgent` is all that the host asks of a learner. What it learns by is another object, a
`ValueLearner`: networks and a gradient step, which is where QMIX and MBVD differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.episodes import (
    Batch,
    EpisodeReplay,
    Episodes,
    capacity,
    episode_fields,
    lay_out,
    record,
)
from marlbench.toolbox.exploration import linear_schedule
from marlbench.toolbox.saving import Attributes, Part, restore, state_of
from marlbench.toolbox.settings import ValueConfig
from marlbench.toolbox.training import to_floats
from marlbench.toolbox.utility import PolicyState, Utility, act, beginning

__all__ = ["ValueAgent", "ValueLearner", "ValueNetworks"]


class ValueNetworks(nn.Module):
    """All that values joint actions: the agents' shared utility network and a mixer."""

    def __init__(self, utility: Utility, mixer: nn.Module) -> None:
        """Join the two, built for the same task."""
        super().__init__()
        self.utility = utility
        self.mixer = mixer

    def frozen(self) -> Self:
        """Give a copy that does not learn: target networks."""
        return deepcopy(self).requires_grad_(False)


class ValueLearner(Protocol):
    """What learns: built for a task, from a seed, on a device."""

    config: Any
    """A `ValueConfig`, or one that has more."""
    spec: EnvSpec
    seed: int
    device: torch.device
    online: ValueNetworks
    """Networks that learn, and by which the agents act."""
    target: ValueNetworks
    """A copy of them from a while ago, which values what comes next."""

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Take one gradient step; give metrics ()."""
        ...

    def parts(self) -> Mapping[str, Part]:
        """Give what a checkpoint holds of it."""
        ...


Learner = TypeVar("Learner", bound=ValueLearner)


class ValueAgent(Generic[Learner]):
    """Acts by a learner's utilities, keeps whole episodes, and lets it learn when it is time."""

    def __init__(self, learner: Learner) -> None:
        """Reserve the replay; ValueError if its memory does not hold a batch."""
        self.learner = learner
        self.config: ValueConfig = learner.config
        self.spec = learner.spec
        most, gib, batch = (
            self.config.replay_episodes,
            self.config.replay_gib,
            self.config.batch_episodes,
        )
        kept = capacity(self.spec, most, gib, batch)
        self.replay = EpisodeReplay(episode_fields(self.spec), self.spec.episode_limit, kept)
        self.rng = np.random.default_rng(learner.seed)
        self.env_steps = 0
        self.next_update = float(batch)  # in finished episodes
        self.copied = 0  # finished episodes at the last copy to the target networks

    # --- acting -------------------------------------------------------------------------------

    @property
    def epsilon(self) -> float:
        """Chance of a random action now."""
        config = self.config
        start, finish = config.epsilon_start, config.epsilon_finish
        return linear_schedule(self.env_steps, start, finish, config.epsilon_anneal_steps)

    def start(self, num_envs: int) -> PolicyState:
        """Give the policy's state at an episode's beginning for E copies."""
        return beginning(self.spec, self.config.hidden, num_envs)

    def act(
        self, step: Step, policy_state: PolicyState, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[np.int64], PolicyState]:
        """Choose actions (E, A): the best by each agent's own utility, or epsilon-greedily."""
        epsilon = self.epsilon if explore else None
        return act(self.learner.online.utility, step, policy_state, rng, epsilon)

    # --- learning -----------------------------------------------------------------------------

    def observe(self, step: Step, actions: NDArray[np.int64]) -> None:
        """Add a row to each copy's episode; a finished one goes to the replay."""
        self.env_steps += record(self.replay, self.spec, step, actions)

    def update(self) -> dict[str, float] | None:
        """Learn from a draw for every `episodes_per_update` episodes that have been finished.

        The first time is when a batch of them is there. The target networks become the online
        ones once `target_update_episodes` have been finished since the last time.
        """
        metrics: dict[str, float] = {}
        finished = self.replay.written
        while finished >= self.next_update:
            self.next_update += self.config.episodes_per_update
            metrics = self.learn(self.replay.sample(self.rng, self.config.batch_episodes))
            if finished - self.copied >= self.config.target_update_episodes:
                self.learner.target.load_state_dict(self.learner.online.state_dict())
                self.copied = finished
        return metrics | {"epsilon": self.epsilon} if metrics else None

    def learn(self, episodes: Episodes) -> dict[str, float]:
        """Take one gradient step on these episodes."""
        return to_floats(self.learner.learn(self.batch(episodes)))

    def batch(self, episodes: Episodes) -> Batch:
        """Lay drawn episodes out for the learner, on its device."""
        gamma, none = self.config.gamma, self.spec.num_actions
        return lay_out(episodes, gamma, none, self.learner.device)

    # --- saving -------------------------------------------------------------------------------

    def parts(self) -> dict[str, Part]:
        """Give what a checkpoint holds."""
        counts = Attributes(self, "env_steps", "next_update", "copied")
        return {**self.learner.parts(), "replay": self.replay, "rng": self.rng, "counts": counts}

    def state(self) -> dict[str, Any]:
        """Give all that learning depends on."""
        return state_of(self.parts())

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        restore(self.parts(), state, self.learner.seed)
