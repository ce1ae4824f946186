"""One copy of any task: its vectorised form with E = 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, VectorEnv


class Single:
    """One copy of a task."""

    def __init__(self, vector: VectorEnv) -> None:
        assert vector.num_envs == 1, f"one copy, not {vector.num_envs}"
        self.vector = vector

    @property
    def spec(self) -> EnvSpec:
        """Sizes and limits of the task."""
        return self.vector.spec

    def reset(self, seed: int) -> Step:
        """Begin the episode that this seed decides."""
        return only(self.vector.reset(np.array([seed])))

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play one joint action (A,)."""
        return only(self.vector.step(np.asarray(actions)[None], np.zeros(1, np.int64)))

    def close(self) -> None:
        """Hold nothing."""


def only(step: Step) -> Step:
    """Give the one copy of a vectorised step, without E."""
    assert step.state is not None
    return Step(
        obs=step.obs[0],
        avail=step.avail[0],
        alive=step.alive[0],
        reward=step.reward[0],
        first=bool(step.first[0]),
        last=bool(step.last[0]),
        terminal=bool(step.terminal[0]),
        state=step.state[0],
        info={name: bool(flags[0]) for name, flags in step.info.items()},
    )
