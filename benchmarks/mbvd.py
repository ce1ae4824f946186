"""Seconds of an MBVD update (32 episodes of up to 60 steps x 5 agents) and of a policy step.

`python benchmarks/mbvd.py`: one thread, warm, medians.
"""

from functools import partial

from acting import print_policy_steps
from episodes import LIMIT, SIZES, drawn, mixed_lengths
from marlbench_mbvd.agent import Mbvd
from marlbench_mbvd.config import MbvdConfig
from timing import median_seconds, prepare, print_head, print_row


def main(episodes: int = 32, repeats: int = 15, policy_steps: int = 500) -> None:
    """Print a table."""
    prepare()
    print_head("mbvd")
    config = MbvdConfig(replay_episodes=episodes, batch_episodes=episodes)
    for name, lengths in (("mixed", mixed_lengths(episodes)), ("equal", [LIMIT] * episodes)):
        agent = Mbvd(config, SIZES, seed=0, device="cpu")
        batch = drawn(agent.replay, lengths)
        seconds = median_seconds(partial(agent.learn, batch), repeats)
        print_row(f"update, {name} lengths", seconds)
    print_policy_steps(agent, policy_steps)


if __name__ == "__main__":
    main()
