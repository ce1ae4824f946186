"""Made-up episodes in a value learner's replay, for the benchmarks of QMIX and MBVD."""

import itertools

import numpy as np
from battle import SPEC, battle, median_seconds

from marlbench.plugin import Agent, EnvSpec
from marlbench.toolbox.episode_replay import EpisodeReplay, Episodes

LIMIT, SHORTEST = 60, 30
SIZES = EnvSpec(
    SPEC.num_agents, SPEC.obs_shape, SPEC.num_actions, LIMIT, state_shape=SPEC.state_shape, noop=0
)


def mixed_lengths(count: int) -> list[int]:
    """Lengths of so many episodes, one of them the longest that there can be."""
    rng = np.random.default_rng(0)
    return [LIMIT, *rng.integers(SHORTEST, LIMIT + 1, count - 1).tolist()]


def drawn(replay: EpisodeReplay, lengths: list[int]) -> Episodes:
    """Fill the replay with made-up episodes of these lengths and draw them all."""
    steps = battle(len(lengths))
    for t in range(max(lengths) + 1):
        step = next(steps)
        rows = {"obs": step.obs, "avail": step.avail, "state": step.state}
        rows |= {"action": step.avail.argmax(-1), "reward": step.reward[:, 0]}
        replay.append(rows, np.full(len(lengths), t == 0))
        for copy, length in enumerate(lengths):
            if length == t:
                replay.finish(copy, length, terminal=length < LIMIT)
    return replay.packed(np.arange(len(lengths)))


def print_row(name: str, seconds: tuple[float, float]) -> None:
    """Print a row of a benchmark's table."""
    print("{:<32}{:>12.6f}{:>12.6f}".format(name, *seconds))


def print_policy_steps(agent: Agent) -> None:
    """Print the rows of acting."""
    for num_envs in (1, 8):
        memory = agent.start(num_envs)
        turn = itertools.cycle(list(itertools.islice(battle(num_envs), 50)))
        seconds = median_seconds(lambda m=memory, t=turn: agent.act(next(t), m, True), 500, 50)
        print_row(f"policy step, {num_envs} copies", seconds)
