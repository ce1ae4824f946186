"""What acting costs a learner: the rows that every learner's table ends with."""

import itertools

import numpy as np

from battle import battle
from marlbench.plugin import Agent
from timing import median_seconds, print_row


def print_policy_steps(agent: Agent, repeats: int) -> None:
    """Print the rows of acting on made-up battles, for one copy and for eight."""
    for num_envs in (1, 8):
        seconds = step_seconds(agent, num_envs, repeats)
        print_row(f"policy step, {num_envs} copies", seconds)


def step_seconds(agent: Agent, num_envs: int, repeats: int) -> tuple[float, float]:
    """Median CPU and wall seconds of `act` for so many copies."""
    policy_state = agent.start(num_envs)
    turn = itertools.cycle(list(itertools.islice(battle(num_envs), 50)))
    return median_seconds(
        lambda: agent.act(next(turn), policy_state, np.random.default_rng(0), explore=True),
        repeats,
        warm=50,
    )
