"""The two-step game of QMIX's paper, played by a value learner in copies that end together."""

from __future__ import annotations

from typing import Any

import numpy as np

from marlbench.toolbox.value_learning import ValueAgent
from marlbench.vecenv.synchronous import stack
from marlbench_probe.games import TwoStep

__all__ = ["episode"]


def episode(agent: ValueAgent[Any], explore: bool, learn: bool, num_envs: int = 8) -> float:
    """Play one episode in every copy, which all end together; give the mean return."""
    envs = [TwoStep() for _ in range(num_envs)]
    now, policy_state = [env.reset(0) for env in envs], agent.start(num_envs)
    total, rng = 0.0, np.random.default_rng(agent.env_steps)
    while True:
        step = stack(now)
        total += float(step.reward[:, 0].mean())
        actions, policy_state = agent.act(step, policy_state, rng, explore)
        if learn:
            agent.observe(step, actions)
        if step.last.all():
            return total
        now = [env.step(action) for env, action in zip(envs, actions, strict=True)]
