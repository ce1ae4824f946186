"""Seconds of a QMIX and of an MBVD update (128 and 32 episodes), of a draw, of a policy step.

Made-up episodes of up to 60 steps x 5 agents. `python benchmarks/value_learning.py`: one thread,
warm, medians.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from acting import print_policy_steps
from battle import SPEC, battle
from marlbench.plugin import EnvSpec
from marlbench.toolbox.episodes import EpisodeReplay, Episodes
from marlbench.toolbox.value_learning import ValueAgent
from marlbench_mbvd.agent import Mbvd
from marlbench_mbvd.config import MbvdConfig
from marlbench_qmix.agent import Qmix
from marlbench_qmix.config import QmixConfig
from timing import median_seconds, prepare, print_head, print_row

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
        assert step.state is not None  # as the sizes say
        rows = {"obs": step.obs, "avail": step.avail, "state": step.state}
        rows |= {"action": step.avail.argmax(-1), "reward": step.reward[:, 0]}
        replay.append(rows, np.full(len(lengths), t == 0))
        for copy, length in enumerate(lengths):
            if length == t:
                replay.finish(copy, length, terminal=length < LIMIT)
    return replay.packed(np.arange(len(lengths)))


def measure(
    name: str, build: Callable[[], ValueAgent[Any]], episodes: int, repeats: int, policy_steps: int
) -> None:
    """Print the table of a learner whose replay and batches hold so many episodes."""
    print_head(name)
    for kind, lengths in (("mixed", mixed_lengths(episodes)), ("equal", [LIMIT] * episodes)):
        agent = build()
        batch = drawn(agent.replay, lengths)
        seconds = median_seconds(partial(agent.learn, batch), repeats)
        print_row(f"update, {kind} lengths", seconds)
        seconds = median_seconds(partial(agent.replay.sample, agent.rng, episodes), repeats)
        print_row(f"draw, {kind} lengths", seconds)
    print_policy_steps(agent, policy_steps)


def main(
    episodes: tuple[int, int] = (128, 32),
    repeats: tuple[int, int] = (9, 15),
    policy_steps: int = 500,
) -> None:
    """Print the tables of QMIX and MBVD."""
    prepare()
    qmix, mbvd = ({"replay_episodes": count, "batch_episodes": count} for count in episodes)
    learners: dict[str, Callable[[], ValueAgent[Any]]] = {
        "qmix": lambda: ValueAgent(Qmix(QmixConfig(**qmix), SIZES, 0, "cpu")),
        "mbvd": lambda: ValueAgent(Mbvd(MbvdConfig(**mbvd), SIZES, 0, "cpu")),
    }
    for (name, build), count, times in zip(learners.items(), episodes, repeats, strict=True):
        measure(name, build, count, times, policy_steps)


if __name__ == "__main__":
    main()
