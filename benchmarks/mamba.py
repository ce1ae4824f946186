"""Seconds of MAMBA's updates (40 windows of 20 steps x 5 agents, 720 rollouts) and policy step.

`python benchmarks/mamba.py`: one thread, warm, medians.
"""

import itertools

import numpy as np
import torch
from battle import SPEC, battle, median_seconds, prepare

from marlbench_mamba.agent import Mamba, starts
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.imagination import advantages, imagine

STEPS = 3000


def filled() -> Mamba:
    """A learner with the paper's settings whose replay holds made-up battles."""
    agent = Mamba(MambaConfig(buffer=2 * STEPS), SPEC, seed=0, device="cpu")
    draws = np.random.default_rng(0)
    for step, _ in zip(battle(1), range(STEPS), strict=False):
        noise = draws.random(step.avail.shape)
        agent.observe(step, np.where(step.avail, noise, -1).argmax(-1))
    return agent


def dream(agent: Mamba) -> None:
    """What an agent update does before PPO."""
    batch = agent.batch()
    with torch.no_grad():
        states = agent.model.observe(batch, agent.uniform(batch))
    actor, horizon = agent.policy.actor, agent.config.horizon
    rollout = imagine(agent.model, actor, starts(states), horizon, agent.generator)
    advantages(agent.policy.critic, rollout, agent.config)


def main() -> None:
    """Print a table."""
    prepare()
    agent = filled()
    rows = {
        "model update": lambda: agent.train_model(agent.batch()),
        "agent update": lambda: agent.train_agent(agent.batch()),
        "of it imagination, returns": lambda: dream(agent),
    }
    print(f"{'mamba':<32}{'cpu s':>12}{'wall s':>12}")
    for name, act in rows.items():
        seconds = median_seconds(act, 9 if name == "model update" else 3, warm=1)
        print("{:<32}{:>12.4f}{:>12.4f}".format(name, *seconds))
    for num_envs in (1, 8):
        memory = agent.start(num_envs)
        turn = itertools.cycle(list(itertools.islice(battle(num_envs), 50)))
        seconds = median_seconds(lambda m=memory, t=turn: agent.act(next(t), m, True), 200, 50)
        row = f"policy step, {num_envs} copies"
        print("{:<32}{:>12.6f}{:>12.6f}".format(row, *seconds))


if __name__ == "__main__":
    main()
