"""Seconds of a MAPPO and of a MAT update (8 x 400 steps x 5 agents, 5 epochs), of a policy step.

`python benchmarks/on_policy.py`: one thread, warm, medians.
"""

from typing import TypeVar

import numpy as np

from acting import print_policy_steps
from battle import SPEC, battle
from marlbench.plugin import Agent
from marlbench_mappo.agent import Mappo
from marlbench_mappo.config import MappoConfig
from marlbench_mat.agent import Mat
from marlbench_mat.config import MatConfig
from timing import median_seconds, prepare, print_head, print_row

Learner = TypeVar("Learner", Mappo, Mat)
"""Either, with a policy's state of its own."""


def fill(agent: Learner) -> None:
    """Show steps until the next `update` learns."""
    steps = battle(agent.config.num_envs)
    player: Agent = agent  # to whom the policy's state is the learner's own business
    policy_state, rng = player.start(agent.config.num_envs), np.random.default_rng(0)
    while not agent.rollout.ready:
        step = next(steps)
        actions, policy_state = player.act(step, policy_state, rng, explore=True)
        agent.observe(step, actions)


def update_seconds(agent: Learner, repeats: int) -> tuple[float, float]:
    """Median CPU and wall seconds of `update`, without the playing between."""
    seconds = []
    for _ in range(1 + repeats):
        fill(agent)
        seconds.append(median_seconds(agent.update, repeats=1, warm=0))
    return sorted(seconds[1:])[repeats // 2]  # the first is for warming up


def measure(name: str, agent: Learner, repeats: int, policy_steps: int) -> None:
    """Print a learner's table."""
    print_head(name)
    copies, steps = agent.config.num_envs, agent.config.rollout_steps
    row = f"update {copies}x{steps}x{agent.spec.num_agents}"
    print_row(row, update_seconds(agent, repeats))
    print_policy_steps(agent, policy_steps)


def main(rollout_steps: int = 400, repeats: int = 5, policy_steps: int = 500) -> None:
    """Print the tables of both."""
    prepare()
    mappo = Mappo(MappoConfig(rollout_steps=rollout_steps), SPEC, seed=0, device="cpu")
    measure("mappo", mappo, repeats, policy_steps)
    mat = Mat(MatConfig(rollout_steps=rollout_steps), SPEC, seed=0, device="cpu")
    measure("mat", mat, repeats, policy_steps)


if __name__ == "__main__":
    main()
