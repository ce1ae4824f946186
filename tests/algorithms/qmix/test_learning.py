"""QMIX finds what a sum of utilities cannot: the two-step game of its paper."""

from __future__ import annotations

import pytest
import torch

from marlbench.toolbox.value_learning import ValueAgent
from marlbench_probe.games import TwoStep
from marlbench_qmix.agent import Qmix
from marlbench_qmix.config import QmixConfig
from tests.algorithms.on_probes import greedy_return, learn

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


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("mixer", "best"), [("monotonic", 8.0), ("sum", 7.0)])
def test_greedy_return_in_the_two_step_game(mixer: str, best: float, seed: int) -> None:
    torch.set_num_threads(1)
    config = QmixConfig.model_validate({**GAME, "mixer": mixer})
    agent = ValueAgent(Qmix(config, TwoStep().spec, seed, "cpu"))
    learn(agent, TwoStep, updates=1000)  # 16 000 env steps
    assert greedy_return(agent, TwoStep) == best
