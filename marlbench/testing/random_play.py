"""Random play: every agent draws among its available actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.plugin import Env, Step


def play(env: Env, seed: int) -> Iterator[Step]:
    """Give the steps of an episode, one more than its limit allows at most."""
    step = env.reset(seed)
    yield step
    yield from go_on(env, step, np.random.default_rng(seed))


def go_on(env: Env, step: Step, draws: np.random.Generator) -> Iterator[Step]:
    """Give the steps that follow this one."""
    for _ in range(env.spec.episode_limit):
        if step.last:
            return
        step = env.step(choose(step, draws))
        yield step


def choose(step: Step, draws: np.random.Generator) -> NDArray[np.int64]:
    """Draw an available action for each agent, (A,)."""
    return np.where(step.avail, draws.random(step.avail.shape), -1.0).argmax(-1)
