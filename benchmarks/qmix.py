"""Seconds of a QMIX update (128 episodes of up to 60 steps x 5 agents) and of a policy step.

`python benchmarks/qmix.py`: one thread, warm, medians.
"""

import itertools

import numpy as np
import torch
from battle import SPEC, battle, median_seconds

from marlbench.plugin import EnvSpec
from marlbench.toolbox.episode_replay import Episodes
from marlbench_qmix.agent import Qmix
from marlbench_qmix.config import QmixConfig

LIMIT, SHORTEST, EPISODES = 60, 30, 128
SIZES = EnvSpec(
    SPEC.num_agents, SPEC.obs_shape, SPEC.num_actions, LIMIT, state_shape=SPEC.state_shape
)


def drawn(agent: Qmix, lengths: list[int]) -> Episodes:
    """Fill the replay with made-up episodes of these lengths and draw them all."""
    steps = battle(len(lengths))
    for t in range(max(lengths) + 1):
        step = next(steps)
        rows = {"obs": step.obs, "avail": step.avail, "state": step.state}
        rows |= {"action": step.avail.argmax(-1), "reward": step.reward[:, 0]}
        agent.replay.append(rows, np.full(len(lengths), t == 0))
        for copy, length in enumerate(lengths):
            if length == t:
                agent.replay.finish(copy, length, terminal=length < LIMIT)
    return agent.replay.packed(np.arange(len(lengths)))


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    mixed = [LIMIT, *rng.integers(SHORTEST, LIMIT + 1, EPISODES - 1).tolist()]
    print(f"{'qmix':<32}{'cpu s':>12}{'wall s':>12}")
    for name, lengths in (("mixed", mixed), ("equal", [LIMIT] * EPISODES)):
        agent = Qmix(QmixConfig(replay_episodes=EPISODES), SIZES, seed=0, device="cpu")
        episodes = drawn(agent, lengths)
        row = f"update, {name} lengths"
        seconds = median_seconds(lambda a=agent, e=episodes: a.learn(e), 9)
        print("{:<32}{:>12.4f}{:>12.4f}".format(row, *seconds))
        seconds = median_seconds(lambda a=agent: a.replay.sample(a.draws, EPISODES), 9)
        print("{:<32}{:>12.4f}{:>12.4f}".format(f"draw, {name} lengths", *seconds))
    for num_envs in (1, 8):
        memory = agent.start(num_envs)
        turn = itertools.cycle(list(itertools.islice(battle(num_envs), 50)))
        seconds = median_seconds(lambda m=memory, t=turn: agent.act(next(t), m, True), 500, 50)
        row = f"policy step, {num_envs} copies"
        print("{:<32}{:>12.6f}{:>12.6f}".format(row, *seconds))


if __name__ == "__main__":
    main()
