"""Finds out what an agent's action depends on, by changing what the others see."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.plugin import Step
from marlbench.testing.sameness import is_floating, through_disk
from marlbench.testing.synthetic import NOOP, Sizes
from marlbench.testing.trial import Trial, episode

if TYPE_CHECKING:
    from numpy.random import Generator

COPIES = 4
STRENGTHS = (1.0, 100.0)
"""Scales of the noise: one that a network feels, one that no squashing hides."""


def depends_on_others(trial: Trial, sizes: Sizes) -> str | None:
    """Say which action changes when the other agents' world does, None if none does.

    The observations and masks of the others and the global state are changed, over whole episodes.
    This is tried with the weights as they were learnt, then with random ones: a young network may
    listen to others so faintly that no action shows it. Other weights do not change what it is
    built to depend on.
    """
    found = _dependence(trial, sizes, "learnt")
    if found is None:
        trial.agent.load(randomised(through_disk(trial.agent.state()), np.random.default_rng(0)))
        found = _dependence(trial, sizes, "random")
    return found


def _dependence(trial: Trial, sizes: Sizes, weights: str) -> str | None:
    steps = episode(sizes, COPIES, seed=8, steps=2 * sizes.limit)
    for explore, agent, strength in product((False, True), range(sizes.agents), STRENGTHS):
        rng = np.random.default_rng(agent)
        answers = trial.watch(steps, explore)
        changed = trial.watch([disturb(step, agent, strength, rng) for step in steps], explore)
        for time, (old, new) in enumerate(zip(answers, changed, strict=True)):
            if (old[:, agent] != new[:, agent]).any():
                return (
                    f"the action of agent {agent} at step {time} (explore={explore}, {weights} "
                    "weights) depends on what other agents see"
                )
    return None


def randomised(state: Any, rng: Generator) -> Any:
    """Give a state whose float matrices are random, each row of a length near one."""
    if isinstance(state, dict):
        return {key: randomised(value, rng) for key, value in state.items()}
    if type(state) in (list, tuple):
        return type(state)(randomised(value, rng) for value in state)
    if not is_floating(state) or state.ndim < 2 or 0 in state.shape:
        return state
    noise = rng.normal(size=tuple(state.shape)) * math.sqrt(state.shape[0] / math.prod(state.shape))
    if isinstance(state, np.ndarray):
        return noise.astype(state.dtype)
    return state.new_tensor(noise)


def disturb(step: Step, agent: int, strength: float, rng: Generator) -> Step:
    """Give a step (E, ...) in which all is different but what this agent sees."""
    others = step.alive & (np.arange(step.alive.shape[1]) != agent)  # (E, A)
    obs, avail = step.obs.copy(), step.avail.copy()
    noise = strength * rng.normal(size=obs.shape)
    obs[others] = (obs + noise).astype(obs.dtype)[others]
    masks = rng.random(avail.shape) < 0.5
    masks[..., -1], masks[..., NOOP] = True, False
    avail[others] = masks[others]
    state = None if step.state is None else (step.state + strength).astype(step.state.dtype)
    return replace(step, obs=obs, avail=avail, state=state)
