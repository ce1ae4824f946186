"""A probe of image observations: the right action is in the picture and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, episode_return
from marlbench_probe.arrival import arrival


class Pixels:
    """Each agent sees an image (24, 24, 3) with one bright quarter and must name that quarter.

    The quarters of both agents are drawn anew on each of 8 steps. Every step pays the team the
    share of agents that are right, so the best return is 8 and uniform play expects 2. The
    channel that is bright is drawn too and means nothing; the rest is noise up to 60 of 255.
    """

    SIDE, LIMIT = 24, 8

    def __init__(self) -> None:
        self.spec = EnvSpec(
            num_agents=2,
            obs_shape=(self.SIDE, self.SIDE, 3),
            num_actions=4,
            episode_limit=self.LIMIT,
            obs_dtype="uint8",
            metrics=(episode_return(0.0, float(self.LIMIT)),),
            simulator="probe 1",
        )
        self._rng = np.random.default_rng(0)
        self._quarters = np.zeros(2, np.int64)
        self._time = 0

    def reset(self, seed: int) -> Step:
        """Begin with the pictures that this seed draws."""
        self._rng, self._time = np.random.default_rng(seed), 0
        return self._arrive(0.0)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Pay for the right quarters: 0 top left, 1 top right, 2 bottom left, 3 bottom right."""
        self._time += 1
        return self._arrive(float((actions == self._quarters).mean()))

    def close(self) -> None:
        """Hold nothing."""

    def _arrive(self, reward: float) -> Step:
        first, last = self._time == 0, self._time == self.LIMIT
        self._quarters = self._rng.integers(4, size=2)
        obs = np.stack([self._picture(int(quarter)) for quarter in self._quarters])
        step = arrival(self.spec, obs, reward)
        return replace(step, first=first, last=last, terminal=last)

    def _picture(self, quarter: int) -> NDArray[np.uint8]:
        """Draw an image (24, 24, 3) with this quarter bright."""
        image = self._rng.integers(60, size=(self.SIDE, self.SIDE, 3), dtype=np.uint8)
        half = self.SIDE // 2
        top, left = quarter // 2 * half, quarter % 2 * half
        image[top : top + half, left : left + half, self._rng.integers(3)] += 180
        return image
