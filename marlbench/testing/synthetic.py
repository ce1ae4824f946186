"""Tasks made of random numbers, with everything that a real one may do to a learner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import (
    ActionKind,
    Config,
    Env,
    EnvSpec,
    Step,
    Suite,
    episode_return,
    win_rate,
)

NOOP = 0
BOUNDS = (-1.0, 2.0)
"""Of each number, where agents say numbers."""


@dataclass(frozen=True)
class Sizes:
    """How big a synthetic task is and what happens in it."""

    agents: int = 2
    actions: int = 4
    """The no-op included; or how many numbers an agent says."""
    kind: ActionKind = "discrete"
    """How agents act."""
    obs_shape: tuple[int, ...] = (5,)
    """Three axes make it an image task."""
    state: int | None = 6
    own_states: bool = False
    """Whether each agent has such a state of its own."""
    limit: int = 12
    death: float = 0.1
    """Probability per step that a living agent dies."""
    end: float = 0.05
    """Probability per step that the episode really ends."""

    @property
    def state_shape(self) -> tuple[int, ...] | None:
        """(S,) or (A, S)."""
        if self.state is None:
            return None
        return (self.agents, self.state) if self.own_states else (self.state,)


class Synthetic:
    """Random observations, masks, deaths, ends and time-outs.

    The team earns the fraction of living agents that chose the available action of the largest
    number in the observation, so that there is something to learn. Numbers are worth the more the
    nearer they are to those in the observation. All else is drawn from the episode's seed, not from
    the actions.
    """

    def __init__(self, sizes: Sizes = Sizes()) -> None:
        """Make a task of these sizes."""
        self.sizes = sizes
        image, numbers = len(sizes.obs_shape) == 3, sizes.kind == "box"
        self.spec = EnvSpec(
            num_agents=sizes.agents,
            obs_shape=sizes.obs_shape,
            num_actions=sizes.actions,
            episode_limit=sizes.limit,
            obs_dtype="uint8" if image else "float32",
            state_shape=sizes.state_shape,
            actions=sizes.kind,
            bounds=(BOUNDS,) * sizes.actions if numbers else (),
            noop=None if numbers else NOOP,
            metrics=(episode_return(0.0, float(sizes.limit)), win_rate()),
            simulator="synthetic 1",
        )

    def reset(self, seed: int) -> Step:
        """Begin the episode of this seed."""
        self._rng = np.random.default_rng(seed)
        self._alive = np.ones(self.sizes.agents, dtype=bool)
        self._time = 0
        return self._observe(reward=0.0, terminal=False)

    def step(self, actions: NDArray[Any]) -> Step:
        """Play one joint action (A, *)."""
        right = self._near(actions) if self.sizes.kind == "box" else self._chosen(actions)
        reward = float((right * self._alive).sum() / self.sizes.agents)
        self._time += 1
        self._alive &= self._rng.random(self.sizes.agents) >= self.sizes.death
        terminal = bool(self._rng.random() < self.sizes.end or not self._alive.any())
        return self._observe(reward, terminal)

    def close(self) -> None:
        """Nothing is held."""

    def _chosen(self, actions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say who (A,) chose right."""
        assert self._avail[np.arange(self.sizes.agents), actions].all(), actions
        return actions == self._right

    def _near(self, actions: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give what the numbers (A, U) of each agent are worth (A,), at most 1."""
        low, high = BOUNDS
        assert ((low <= actions) & (actions <= high))[self._avail].all(), actions
        away = np.abs(actions - self._worth.clip(low, high)) * self._avail  # (A, U)
        return 1.0 - away.mean(-1) / (high - low)

    def _observe(self, reward: float, terminal: bool) -> Step:
        obs = self._draw_obs()
        last = terminal or self._time == self.sizes.limit
        return Step(
            obs=obs,
            avail=self._mask(obs),
            alive=self._alive.copy(),
            reward=np.full(self.sizes.agents, reward, dtype=np.float32),
            first=self._time == 0,
            last=last,
            terminal=terminal,
            state=self._draw_state(),
            info={"won": terminal and reward > 0.5},
        )

    def _draw_obs(self) -> NDArray[np.float32] | NDArray[np.uint8]:
        shape = (self.sizes.agents, *self.sizes.obs_shape)
        image = self.spec.obs_dtype == "uint8"
        obs = self._rng.integers(256, size=shape) if image else self._rng.normal(size=shape)
        obs[~self._alive] = 0
        return obs.astype(self.spec.obs_dtype)  # (A, *O)

    def _mask(self, obs: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Draw the available actions (A, U), and remember which of them earns a reward.

        Of numbers the first is always to be said while the agent lives.
        """
        agents, actions = self.sizes.agents, self.sizes.actions
        avail = self._rng.random((agents, actions)) < 0.6
        avail[np.arange(agents), self._rng.integers(1, actions, agents)] = True
        numbers = self.sizes.kind == "box"
        avail[:, NOOP] = numbers
        avail[~self._alive] = (np.arange(actions) == NOOP) & (not numbers)
        self._worth = np.resize(obs.reshape(agents, -1).astype(np.float64), (agents, actions))
        self._right = np.where(avail, self._worth, -np.inf).argmax(-1)
        self._avail = avail
        return avail.copy()

    def _draw_state(self) -> NDArray[np.float32] | None:
        shape = self.sizes.state_shape
        return None if shape is None else self._rng.normal(size=shape).astype(np.float32)


class SyntheticConfig(Config):
    """Sizes of the synthetic task as settings."""

    agents: int = 2
    """Agents [ours]."""
    limit: int = 12
    """Longest episode [ours]."""
    kind: ActionKind = "discrete"
    """How agents act [ours]."""


def _build(task: str, config: SyntheticConfig) -> Env:
    return Synthetic(Sizes(agents=config.agents, limit=config.limit, kind=config.kind))


suite = Suite(
    name="synthetic",
    tasks=("random",),
    build=_build,
    default_task="random",
    config=SyntheticConfig,
    actions=lambda task, config: config.kind,
    copyable=True,
)
"""For tests of whole runs; in no catalogue."""
