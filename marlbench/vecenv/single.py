"""One copy of a task as an `Env`, whichever form its suite offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.vecenv.synchronous import unstack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.plugin import Env, EnvSpec, Step, Suite, VectorEnv


def build_single(suite: Suite, task: str, config: Any) -> Env:
    """Build one copy of a task: the suite's `Env`, or its vector form with one copy."""
    if suite.build_vector is not None:
        return SingleEnv(suite.build_vector(task, config, 1))
    assert suite.build is not None, f"{suite.name} offers neither form"
    return suite.build(task, config)


def render(suite: Suite, env: Env) -> NDArray[np.uint8]:
    """Draw a copy that `build_single` gave, (height, width, 3), by `Suite.render`."""
    assert suite.render is not None, f"{suite.name} cannot be drawn"
    return suite.render(env.vector if isinstance(env, SingleEnv) else env)


class SingleEnv:
    """The one copy of a vector environment, as an `Env`."""

    def __init__(self, vector: VectorEnv) -> None:
        """Take a vector environment that has one copy."""
        assert vector.num_envs == 1, f"one copy, not {vector.num_envs}"
        self.vector = vector

    @property
    def spec(self) -> EnvSpec:
        """Sizes and limits of the task."""
        return self.vector.spec

    def reset(self, seed: int) -> Step:
        """Begin the episode that this seed decides."""
        return unstack(self.vector.reset(np.array([seed])))[0]

    def step(self, actions: NDArray[Any]) -> Step:
        """Play one joint action (A, *)."""
        return unstack(self.vector.step(np.asarray(actions)[None], np.zeros(1, np.int64)))[0]

    def close(self) -> None:
        """Free what the simulator holds."""
        self.vector.close()
