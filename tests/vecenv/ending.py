"""Tasks that end their process; they import little, since every such process begins anew."""

from __future__ import annotations

import os
import signal

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step

LIMIT = 6


class Ending:
    """One agent counts steps to six; the third step of some episodes ends the process."""

    spec = EnvSpec(num_agents=1, obs_shape=(2,), num_actions=2, episode_limit=LIMIT)

    def reset(self, seed: int) -> Step:
        """Begin an episode."""
        self.seed, self.time = seed, 0
        return self.arrival()

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Count, or end it all."""
        self.time += 1
        if self.time == 3 and self.seed % 7 == 3:
            os._exit(0)
        return self.arrival()

    def close(self) -> None:
        """Nothing is held."""

    def arrival(self) -> Step:
        """Show seed and time."""
        return Step(
            obs=np.array([[self.seed, self.time]], np.float32),
            avail=np.ones((1, 2), np.bool_),
            alive=np.ones(1, np.bool_),
            reward=np.zeros(1, np.float32),
            first=self.time == 0,
            last=self.time == LIMIT,
            terminal=False,
        )


class NeverBegins(Ending):
    """The same, and its process dies in every reset."""

    def reset(self, seed: int) -> Step:
        """End it all."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError
