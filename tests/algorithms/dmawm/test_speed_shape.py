"""The shape that makes a training step fast, counted instead of timed."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch.utils._python_dispatch import TorchDispatchMode

from marlbench.plugin import EnvSpec, Step
from marlbench_dmawm.agent import Dmawm
from marlbench_dmawm.config import Config

NO_KERNEL = {
    "view", "expand", "t", "transpose", "permute", "slice", "select", "unsqueeze", "squeeze",
    "detach", "alias", "as_strided", "split", "split_with_sizes", "_unsafe_view", "unbind",
    "empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "_reshape_alias",
    "lift_fresh",
}  # fmt: skip


class Operations(TorchDispatchMode):
    """Counts the operations that would launch a kernel on a GPU, by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name not in NO_KERNEL:
            self.count[name] += 1
        return func(*args, **(kwargs or {}))


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
    with Operations() as operations:
        agent.train()
    return operations.count


def test_a_training_step_never_waits_for_the_device(
    config: Config, spec: EnvSpec, steps: Callable[[int, int], Iterator[Step]]
) -> None:
    count = counted(config, spec, steps)
    assert count["_local_scalar_dense"] == 0
    assert count["nonzero"] == 0


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
