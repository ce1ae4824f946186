"""Probes of time: counting steps, dying partway, and running out of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, episode_return
from marlbench_probe.arrival import arrival


class Clock:
    """An episode in which time passes whatever is done: a probe says what arrives at each time."""

    _time, _seed = 0, 0

    def reset(self, seed: int) -> Step:
        """Begin at time 0."""
        self._time, self._seed = 0, seed
        return self._arrive()

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Go one step further."""
        self._time += 1
        return self._arrive()

    def close(self) -> None:
        """Hold nothing."""

    def _arrive(self) -> Step:
        """Give the step at `_time` of the episode that `_seed` decides."""
        raise NotImplementedError


class Counting(Clock):
    """Every number says where it belongs, so that a lost, doubled or shifted step shows.

    Observation of agent a at step t of the episode with seed s: (t, a, s % 100); state (t,
    s % 100); the reward that arrives at step t is t, whatever is done. An episode has
    L = 3 + s % 5 steps, ends `terminal` if s is even and by time-out if it is odd, and returns
    L (L + 1) / 2: the only return that any play can have.
    """

    def __init__(self) -> None:
        self.spec = EnvSpec(
            num_agents=2,
            obs_shape=(3,),
            num_actions=3,
            episode_limit=7,
            state_shape=(2,),
            metrics=(episode_return(6.0, 28.0),),
            simulator="probe 1",
        )

    def _arrive(self) -> Step:
        t, mark = self._time, self._seed % 100
        obs = np.array([[t, agent, mark] for agent in range(2)], np.float32)  # (A, O)
        last = t == 3 + self._seed % 5
        step = arrival(self.spec, obs, float(t), np.array([t, mark], np.float32))
        return replace(step, first=t == 0, last=last, terminal=last and self._seed % 2 == 0)


class Deaths:
    """Leaving pays, but whoever leaves is gone, and one agent is gone early whatever it does.

    Per agent and step: 1 rest pays the team 0, 2 work pays 1, 3 leave pays 3 and the agent is
    dead from then on; 0 is the no-op of the dead. An episode has 4 steps and ends early when all
    are gone (both `terminal`). Agent 1 dies after its second step in any case.
    Best return 10: agent 0 works three times and leaves, agent 1 works once and leaves.
    Leaving at once returns 6; working throughout returns 6; resting returns 0.
    """

    LIMIT = 4
    LIVES = (4, 2)
    """Steps after which each agent is gone in any case."""
    PAY = (0.0, 0.0, 1.0, 3.0)
    LEAVE = 3

    def __init__(self) -> None:
        self.spec = EnvSpec(
            num_agents=2,
            obs_shape=(4,),
            num_actions=4,
            episode_limit=self.LIMIT,
            state_shape=(3,),
            noop=0,
            metrics=(episode_return(0.0, 10.0),),
            simulator="probe 1",
        )
        self._time = 0
        self._alive = np.ones(2, np.bool_)

    def reset(self, seed: int) -> Step:
        """Begin with both alive; the seed decides nothing."""
        self._time, self._alive = 0, np.ones(2, np.bool_)
        return self._arrive(0.0)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Pay for what the living do and let go of those who left or whose life is over."""
        if np.any(self._alive == (actions == 0)):
            raise ValueError(f"deaths: 0 is for the dead alone, got {actions} of {self._alive}")
        self._time += 1
        paid = sum(self.PAY[int(action)] for action in actions)
        over = np.array([self._time >= life for life in self.LIVES])
        self._alive = self._alive & ~over & (actions != self.LEAVE)
        return self._arrive(paid)

    def close(self) -> None:
        """Hold nothing."""

    def _arrive(self, reward: float) -> Step:
        alive, share = self._alive.copy(), self._time / self.LIMIT
        obs = np.zeros((2, 4), np.float32)
        obs[:, :2] = np.eye(2)  # which of the two
        obs[:, 2], obs[:, 3] = share, alive[::-1]  # time, whether the other is there
        avail = np.ones((2, 4), np.bool_)
        avail[:, 0], avail[:, 1:] = ~alive, alive[:, None]
        last = bool(self._time == self.LIMIT or not alive.any())
        return Step(
            obs=obs * alive[:, None],
            avail=avail,
            alive=alive,
            reward=np.full(2, reward, np.float32),
            first=self._time == 0,
            last=last,
            terminal=last,
            state=np.array([share, *alive], np.float32),
        )


class TimeOut(Clock):
    """A reward of 1 per step, for ever but for a time-out after 10; nothing to see or decide.

    Every return is 10. As the observation never changes, a learner that bootstraps where time
    ran out has V = 1 / (1 - gamma) (100 at gamma 0.99). One that takes the time-out for an end
    has the mean over t of (1 - gamma^(10 - t)) / (1 - gamma), t = 0 to 9 (5.3 at 0.99).
    """

    LIMIT = 10

    def __init__(self) -> None:
        self.spec = EnvSpec(
            num_agents=2,
            obs_shape=(1,),
            num_actions=2,
            episode_limit=self.LIMIT,
            state_shape=(1,),
            metrics=(episode_return(0.0, float(self.LIMIT)),),
            simulator="probe 1",
        )

    def _arrive(self) -> Step:
        first, last = self._time == 0, self._time == self.LIMIT
        obs, state = np.ones((2, 1), np.float32), np.ones(1, np.float32)
        step = arrival(self.spec, obs, float(not first), state)
        return replace(step, first=first, last=last)
