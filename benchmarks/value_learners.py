"""Seconds of QMIX's update (128 episodes of up to 60 steps x 5 agents), MBVD's (32), a policy step.

`python benchmarks/value_learners.py`: one thread, warm, medians.
"""

from functools import partial
from typing import Any

from acting import print_policy_steps
from episodes import LIMIT, SIZES, drawn, mixed_lengths
from marlbench.toolbox.value_learning import ValueAgent
from marlbench_mbvd.agent import Mbvd
from marlbench_mbvd.config import MbvdConfig
from marlbench_qmix.agent import Qmix
from marlbench_qmix.config import QmixConfig
from timing import median_seconds, prepare, print_head, print_row


def measure(name: str, agent: ValueAgent[Any], repeats: int, policy_steps: int) -> None:
    """Print a learner's table: updates and draws of a batch of episodes, and acting."""
    print_head(name)
    count = agent.config.batch_episodes
    for kind, lengths in (("mixed", mixed_lengths(count)), ("equal", [LIMIT] * count)):
        batch = drawn(agent.replay, lengths)
        seconds = median_seconds(partial(agent.learn, batch), repeats)
        print_row(f"update, {kind} lengths", seconds)
        seconds = median_seconds(partial(agent.replay.sample, agent.rng, count), repeats)
        print_row(f"draw, {kind} lengths", seconds)
    print_policy_steps(agent, policy_steps)


def main(qmix: int = 128, mbvd: int = 32, repeats: int = 9, policy_steps: int = 500) -> None:
    """Print the tables of both, for batches of so many episodes."""
    prepare()
    ours = QmixConfig(replay_episodes=qmix, batch_episodes=qmix)
    measure("qmix", ValueAgent(Qmix(ours, SIZES, 0, "cpu")), repeats, policy_steps)
    theirs = MbvdConfig(replay_episodes=mbvd, batch_episodes=mbvd)
    measure("mbvd", ValueAgent(Mbvd(theirs, SIZES, 0, "cpu")), repeats, policy_steps)


if __name__ == "__main__":
    main()
