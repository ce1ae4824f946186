"""Made-up episodes in a value learner's replay, for the benchmarks of QMIX and MBVD."""

import numpy as np

from battle import SPEC, battle
from marlbench.plugin import EnvSpec
from marlbench.toolbox.episodes import EpisodeReplay, Episodes

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
