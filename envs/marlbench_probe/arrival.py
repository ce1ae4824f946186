"""One place that fills in what most probes have in common: all alive, all actions available."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step


def arrival(
    spec: EnvSpec, obs: NDArray[Any], reward: float = 0.0, state: NDArray[np.float32] | None = None
) -> Step:
    """Give the step in mid-episode with observations (A, *O) and one reward for all."""
    agents = spec.num_agents
    return Step(
        obs=obs,
        avail=np.ones((agents, spec.num_actions), np.bool_),
        alive=np.ones(agents, np.bool_),
        reward=np.full(agents, reward, np.float32),
        first=False,
        last=False,
        terminal=False,
        state=state,
    )
