"""Finds out what an agent's action depends on, by changing what the others see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from marlbench.plugin import Step
from marlbench.testing.synthetic import NOOP, Sizes
from marlbench.testing.table import Table, episode

if TYPE_CHECKING:
    from numpy.random import Generator

COPIES = 4
STRENGTHS = (1.0, 100.0)
"""Scales of the noise: one that a network feels, one that no squashing hides."""


def depends_on_others(table: Table, sizes: Sizes) -> str | None:
    """Say which action changes when the other agents' world does, None if none does.

    Changed are the others' observations and masks and the global state, over whole episodes.
    """
    steps = episode(sizes, COPIES, seed=8, steps=2 * sizes.limit)
    for explore in (False, True):
        answers = table.watch(steps, explore)
        for agent in range(sizes.agents):
            for strength in STRENGTHS:
                draws = np.random.default_rng(agent)
                world = [disturb(step, agent, strength, draws) for step in steps]
                changed = table.watch(world, explore)
                for time, (old, new) in enumerate(zip(answers, changed, strict=True)):
                    if (old[:, agent] != new[:, agent]).any():
                        return (
                            f"the action of agent {agent} at step {time} (explore={explore}) "
                            "depends on what other agents see"
                        )
    return None


def disturb(step: Step, agent: int, strength: float, draws: Generator) -> Step:
    """Give a step (E, ...) in which all is different but what this agent sees."""
    others = step.alive & (np.arange(step.alive.shape[1]) != agent)  # (E, A)
    obs, avail = step.obs.copy(), step.avail.copy()
    noise = strength * draws.normal(size=obs.shape)
    obs[others] = (obs + noise).astype(obs.dtype)[others]
    masks = draws.random(avail.shape) < 0.5
    masks[..., -1], masks[..., NOOP] = True, False
    avail[others] = masks[others]
    state = None if step.state is None else (step.state + strength).astype(step.state.dtype)
    return replace(step, obs=obs, avail=avail, state=state)
