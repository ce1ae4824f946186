"""Seconds of MAMBA's updates (40 windows of 20 steps x 5 agents, 720 rollouts) and policy step.

`python benchmarks/mamba.py`: one thread, warm, medians.
"""

import itertools

import numpy as np
import torch

from acting import print_policy_steps
from battle import SPEC, battle
from marlbench.vecenv.random_play import random_actions
from marlbench_mamba.agent import Mamba, starts
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.imagination import advantages, imagine
from timing import median_seconds, prepare, print_head, print_row

PAPER = MambaConfig(buffer=6000)
"""The paper's settings, but for a replay that takes seconds to fill."""


def filled(config: MambaConfig = PAPER) -> Mamba:
    """A learner of one copy whose replay made-up battles have filled half."""
    agent = Mamba(config, SPEC, seed=0, device="cpu")
    rng = np.random.default_rng(0)
    for step in itertools.islice(battle(1), config.buffer // 2):
        agent.observe(step, random_actions(SPEC, step, rng))
    return agent


def dream(agent: Mamba) -> None:
    """What an agent update does before PPO."""
    batch = agent.batch()
    with torch.no_grad():
        states = agent.model.observe(batch, agent.uniform(batch))
    actor, horizon = agent.policy.actor, agent.config.horizon
    rollout = imagine(agent.model, actor, starts(states), horizon, agent.generator)
    advantages(agent.policy.critic, rollout, agent.config)


def main(config: MambaConfig = PAPER, repeats: int = 3, policy_steps: int = 200) -> None:
    """Print a table; of the model's updates, which are quick, three times as many are timed."""
    prepare()
    agent = filled(config)
    rows = {
        "model update": lambda: agent.train_model(agent.batch()),
        "agent update": lambda: agent.train_agent(agent.batch()),
        "of it imagination, returns": lambda: dream(agent),
    }
    print_head("mamba")
    for name, act in rows.items():
        times = 3 * repeats if name == "model update" else repeats
        print_row(name, median_seconds(act, times, warm=1))
    print_policy_steps(agent, policy_steps)


if __name__ == "__main__":
    main()
