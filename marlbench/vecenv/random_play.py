"""Random play among what agents may do: what checks and measurements step with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marlbench.plugin import Env, EnvSpec, Step


def random_actions(spec: EnvSpec, step: Step, rng: np.random.Generator) -> NDArray[Any]:
    """Draw a joint action (A, *), or (E, A, *) for E copies.

    Of discrete ones each agent's are equally likely, the available ones. The numbers of a box are
    uniform within their bounds; without bounds they are normal, with one of them exponential.
    """
    if spec.actions == "box":
        return random_numbers(spec, step.avail, rng)
    return np.where(step.avail, rng.random(step.avail.shape), -1.0).argmax(-1)


def random_numbers(
    spec: EnvSpec, avail: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw the numbers (..., U) of a box as `gymnasium` does; zeros where none is to be said."""
    low, high = np.array(spec.bounds).T  # (U,) each
    below, above = np.isfinite(low), np.isfinite(high)
    floor, ceiling = np.where(below, low, 0.0), np.where(above, high, 0.0)
    uniform = rng.random(avail.shape)
    farther = -np.log1p(-uniform)  # exponential
    drawn = np.select(
        [below & above, below, above],
        [floor + uniform * (ceiling - floor), floor + farther, ceiling - farther],
        rng.normal(size=avail.shape),
    )
    return np.where(avail, drawn, 0.0).astype(np.float32)


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
        step = env.step(random_actions(env.spec, step, rng))
        yield step
