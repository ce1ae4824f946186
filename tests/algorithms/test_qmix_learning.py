"""QMIX finds what a sum of utilities cannot: the two-step game of its paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from marlbench.vecenv.synchronous import stack
from marlbench_probe.games import TwoStep
from marlbench_qmix.agent import Qmix
from marlbench_qmix.config import QmixConfig

# always exploring, so that all outcomes are seen equally often, and one-step targets, since what
# exploring earns later says nothing of the best play
GAME = {
    "epsilon_finish": 1.0,
    "batch_episodes": 32,
    "replay_episodes": 500,
    "td_lambda": 0.0,
    "target_update_episodes": 100,
    "hidden": 32,
}


def episode(agent: Qmix, explore: bool, learn: bool, num_envs: int = 8) -> float:
    """Play one episode in every copy, which all end together; give the mean return."""
    envs = [TwoStep() for _ in range(num_envs)]
    now, memory = [env.reset(0) for env in envs], agent.start(num_envs)
    total, rng = 0.0, np.random.default_rng(agent.env_steps)
    while True:
        step = stack(now)
        total += float(step.reward[:, 0].mean())
        actions, memory = agent.act(step, memory, rng, explore)
        if learn:
            agent.observe(step, actions)
        if step.last.all():
            return total
        now = [env.step(action) for env, action in zip(envs, actions, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("mixer", "best"), [("monotonic", 8.0), ("sum", 7.0)])
def test_greedy_return_in_the_two_step_game(mixer: str, best: float, seed: int) -> None:
    torch.set_num_threads(1)
    config = QmixConfig.model_validate({**GAME, "mixer": mixer})
    agent = Qmix(config, TwoStep().spec, seed, "cpu")
    for _ in range(1000):  # 16 000 env steps
        episode(agent, explore=True, learn=True)
        agent.update()
    assert episode(agent, explore=False, learn=False) == best
