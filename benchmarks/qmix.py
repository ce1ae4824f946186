"""Seconds of a QMIX update (128 episodes of up to 60 steps x 5 agents) and of a policy step.

`python benchmarks/qmix.py`: one thread, warm, medians.
"""

from functools import partial

from acting import print_policy_steps
from episodes import LIMIT, SIZES, drawn, mixed_lengths
from marlbench_qmix.agent import Qmix
from marlbench_qmix.config import QmixConfig
from timing import median_seconds, prepare, print_head, print_row


def main(episodes: int = 128, repeats: int = 9, policy_steps: int = 500) -> None:
    """Print a table."""
    prepare()
    print_head("qmix")
    config = QmixConfig(replay_episodes=episodes, batch_episodes=episodes)
    for name, lengths in (("mixed", mixed_lengths(episodes)), ("equal", [LIMIT] * episodes)):
        agent = Qmix(config, SIZES, seed=0, device="cpu")
        batch = drawn(agent.replay, lengths)
        seconds = median_seconds(partial(agent.learn, batch), repeats)
        print_row(f"update, {name} lengths", seconds)
        seconds = median_seconds(partial(agent.replay.sample, agent.draws, episodes), repeats)
        print_row(f"draw, {name} lengths", seconds)
    print_policy_steps(agent, policy_steps)


if __name__ == "__main__":
    main()
