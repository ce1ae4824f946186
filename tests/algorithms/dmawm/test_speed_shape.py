"""The shape that makes a training step fast, counted instead of timed."""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from marlbench.plugin import EnvSpec, Step
from marlbench.testing.launches import launches
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.config import Config


def counted(
    config: Config, spec: EnvSpec, steps: Callable[[int, int], Iterator[Step]]
) -> Counter[str]:
    """Operations of one training step, the second, so that optimisers hold their state."""
    agent = Dmawm(config, spec, 0, "cpu")
    policy_state = agent.start(config.num_envs)
    for step, _ in zip(steps(config.num_envs, 0), range(30), strict=False):
        actions, policy_state = agent.act(
            step, policy_state, np.random.default_rng(0), explore=True
        )
        agent.observe(step, actions)
    agent.train()
    return launches(agent.train).operations


def test_only_the_recurrence_and_the_posterior_stand_in_the_time_loop(
    config: Config, spec: EnvSpec, steps: Callable[[int, int], Iterator[Step]]
) -> None:
    """Operations per further step of a window: no transformer among them.

    It is gone through twice, once with a backward pass and once to begin rollouts from.
    """
    counts = [
        counted(config.model_copy(update={"length": length}), spec, steps) for length in (6, 14)
    ]
    more = counts[1] - counts[0]
    assert more["_scaled_dot_product_flash_attention_for_cpu"] == 0
    assert more["native_layer_norm"] <= 8 * 2 * 4  # z, gates and two layers of the posterior
    assert more.total() <= 8 * 133  # as measured
