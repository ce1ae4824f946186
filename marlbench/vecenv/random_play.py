"""Uniform random play among the available actions: what checks and measurements step with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.plugin import Env, Step


def random_actions(step: Step, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw an available action for each agent, all equally likely: (A,), or (E, A) of E copies."""
    return np.where(step.avail, rng.random(step.avail.shape), -1.0).argmax(-1)


def random_episode(env: Env, seed: int) -> Iterator[Step]:
    """Give the steps of the episode of this seed, from `reset` on, as `random_steps`."""
    step = env.reset(seed)
    yield step
    yield from random_steps(env, step, np.random.default_rng(seed))


def random_steps(env: Env, step: Step, rng: np.random.Generator) -> Iterator[Step]:
    """Give the steps after this one, to the end of the episode.

    An environment that never ends its episode is left after `episode_limit` steps.
    """
    for _ in range(env.spec.episode_limit):
        if step.last:
            return
        step = env.step(random_actions(step, rng))
        yield step
