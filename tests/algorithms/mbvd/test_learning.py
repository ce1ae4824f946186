"""MBVD on the probes, whose right answers are known; a sum of utilities cannot play `two_step`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from marlbench.toolbox.value_learning import ValueAgent
from marlbench_mbvd.agent import Mbvd
from marlbench_mbvd.config import MbvdConfig
from marlbench_probe.games import TwoStep
from tests.algorithms.on_probes import greedy_return, learn, learned

# always exploring, so that all outcomes are seen equally often
GAME = {
    "num_envs": 8,
    "epsilon_finish": 1.0,
    "episodes_per_update": 8.0,
    "replay_episodes": 500,
    "target_update_episodes": 100,
    "hidden": 32,
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_greedy_return_in_the_two_step_game(seed: int) -> None:
    torch.set_num_threads(1)
    agent = ValueAgent(Mbvd(MbvdConfig.model_validate(GAME), TwoStep().spec, seed, "cpu"))
    learn(agent, TwoStep, updates=1500)  # 24 000 env steps
    assert greedy_return(agent, TwoStep) == 8.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("task", "steps", "best"), [("matrix", 2000, 8.0), ("deaths", 15_000, 10.0)]
)
def test_greedy_play_is_the_best_there_is(
    tmp_path: Path, task: str, steps: int, best: float, seed: int
) -> None:
    assert learned(tmp_path, "mbvd", task, steps, seed)["metrics"]["return"] == best
