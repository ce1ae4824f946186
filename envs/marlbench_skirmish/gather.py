"""Gathering behind `reset` and `step`: iron is taken alone, gold by two, and eyes are pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, episode_return
from marlbench_skirmish.config import Config
from marlbench_skirmish.gather_view import FLOOR, GOLD, IRON, PIXELS, SIDE, View
from marlbench_skirmish.masks import refuse_unavailable
from marlbench_skirmish.tasks import GATHERINGS

STOP = 0
HEADINGS = np.array([(0, 0), (-1, 0), (1, 0), (0, 1), (0, -1)])
"""Rows and columns that each action goes: stop, north, south, east, west."""


class VectorGather:
    """E copies of a gathering task in lockstep."""

    def __init__(self, task: str, config: Config, num_envs: int) -> None:
        rules = self._task = GATHERINGS[task]
        self._config, self._num_envs = config, num_envs
        gold = np.arange(rules.iron + rules.gold) >= rules.iron  # (K,)
        self._kinds = np.where(gold, GOLD, IRON)  # (K,)
        self._worth = np.where(gold, rules.gold_worth, 1)  # (K,)
        self._reach = np.where(gold, 1, 0)[:, None]  # (K, 1)
        self._needed = np.where(gold, 2, 1)  # (K,)
        self._limit = max(1, round(rules.limit * config.limit_scale))
        self._agents = np.zeros((num_envs, rules.agents, 2), np.int64)  # (E, A, 2) row, column
        self._items = np.zeros((num_envs, len(gold), 2), np.int64)  # (E, K, 2)
        self._left = np.zeros((num_envs, len(gold)), np.bool_)  # (E, K)
        self._time = np.zeros(num_envs, np.int64)  # (E,)
        self._last = np.ones(num_envs, np.bool_)  # (E,)
        self._avail = np.zeros(0, np.bool_)
        self._view = View(num_envs, rules.side, config.sight)

    @property
    def num_envs(self) -> int:
        """E."""
        return self._num_envs

    @property
    def spec(self) -> EnvSpec:
        """Sizes and limits of the task."""
        return EnvSpec(
            num_agents=self._task.agents,
            obs_shape=(SIDE * PIXELS, SIDE * PIXELS, 3),
            num_actions=len(HEADINGS),
            episode_limit=self._limit,
            obs_dtype="uint8",
            state_shape=(2 * self._task.agents + 3 * len(self._kinds),),
            metrics=(episode_return(0.0, self._config.best_return),),
            simulator="gather 1",
        )

    def reset(self, seeds: NDArray[np.int64]) -> Step:
        """Begin the episodes of seeds (E,) in every copy."""
        everywhere = np.ones(self._num_envs, np.bool_)
        self._begin(everywhere, seeds)
        return self._arrival(np.zeros(self._num_envs, np.float32), everywhere)

    def step(self, actions: NDArray[np.int64], seeds: NDArray[np.int64]) -> Step:
        """Play joint actions (E, A); copies on a last step begin the episode of their seed."""
        first = self._last
        actions = np.where(first[:, None], STOP, actions)
        refuse_unavailable(actions, self._avail, first)
        self._agents += HEADINGS[actions]
        self._time += 1
        scale = self._config.best_return / self._worth.sum()
        reward = np.where(first, 0, self._gathered() * scale).astype(np.float32)
        if first.any():
            self._begin(first, seeds)
        return self._arrival(reward, first)

    def close(self) -> None:
        """Hold nothing."""

    def pictures(self) -> NDArray[np.uint8]:
        """Give what all agents see now, (E, A, 44, 44, 3)."""
        kinds = np.where(self._left, self._kinds, FLOOR)  # (E, K)
        return self._view.images(self._agents, self._items, kinds)

    def _begin(self, which: NDArray[np.bool_], seeds: NDArray[np.int64]) -> None:
        """Put agents and items on cells of their own, as seeds (E,) decide."""
        agents, side = self._task.agents, self._task.side
        for env in np.flatnonzero(which).tolist():
            rng = np.random.default_rng(int(seeds[env]))
            cells = rng.choice(side**2, agents + len(self._kinds), replace=False)
            places = np.stack(np.divmod(cells, side), axis=-1)  # (A + K, 2)
            self._agents[env], self._items[env] = places[:agents], places[agents:]
        self._left[which] = True
        self._time[which] = 0

    def _gathered(self) -> NDArray[np.int64]:
        """Take what enough agents stand at; give its worth (E,)."""
        away = np.abs(self._items[:, :, None] - self._agents[:, None]).sum(-1)  # (E, K, A)
        taken = self._left & ((away <= self._reach).sum(-1) >= self._needed)  # (E, K)
        self._left &= ~taken
        return (taken * self._worth).sum(1)

    def _arrival(self, reward: NDArray[np.float32], first: NDArray[np.bool_]) -> Step:
        """Give the time step that all copies now stand on."""
        terminal = ~self._left.any(1)  # (E,)
        self._last = terminal | (self._time >= self._limit)
        there = self._agents[:, :, None] + HEADINGS  # (E, A, U, 2)
        self._avail = ((there >= 0) & (there < self._task.side)).all(-1)  # (E, A, U)
        shape = self._agents.shape[:2]
        return Step(
            obs=self.pictures(),
            avail=self._avail,
            alive=np.ones(shape, np.bool_),
            reward=np.broadcast_to(reward[:, None], shape).copy(),
            first=first,
            last=self._last,
            terminal=terminal,
            state=self._states(),
        )

    def _states(self) -> NDArray[np.float32]:
        """(E, S): row and column of agents; of items too, with whether they are there."""
        half = (self._task.side - 1) / 2
        agents, items = self._agents / half - 1, self._items / half - 1  # within [-1, 1]
        present = np.concatenate([items, np.ones((*self._left.shape, 1))], -1)  # (E, K, 3)
        present *= self._left[..., None]
        flat = (agents.reshape(self._num_envs, -1), present.reshape(self._num_envs, -1))
        return np.concatenate(flat, axis=-1, dtype=np.float32)
