"""Seconds of a QMIX update (128 episodes of up to 60 steps x 5 agents) and of a policy step.

`python benchmarks/qmix.py`: one thread, warm, medians.
"""

from battle import median_seconds, prepare
from episodes import LIMIT, SIZES, drawn, mixed_lengths, print_policy_steps, print_row

from marlbench_qmix.agent import Qmix
from marlbench_qmix.config import QmixConfig

EPISODES = 128


def main() -> None:
    """Print a table."""
    prepare()
    print(f"{'qmix':<32}{'cpu s':>12}{'wall s':>12}")
    for name, lengths in (("mixed", mixed_lengths(EPISODES)), ("equal", [LIMIT] * EPISODES)):
        agent = Qmix(QmixConfig(replay_episodes=EPISODES), SIZES, seed=0, device="cpu")
        episodes = drawn(agent.replay, lengths)
        seconds = median_seconds(lambda a=agent, e=episodes: a.learn(e), 9)
        print_row(f"update, {name} lengths", seconds)
        seconds = median_seconds(lambda a=agent: a.replay.sample(a.draws, EPISODES), 9)
        print_row(f"draw, {name} lengths", seconds)
    print_policy_steps(agent)


if __name__ == "__main__":
    main()
