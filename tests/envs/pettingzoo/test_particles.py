"""The `mpe` suite steps mpe2's worlds itself: bit for bit what `parallel_env` would have given."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from marlbench.plugin import Env, Step
from marlbench.vecenv.random_play import random_actions
from marlbench_pettingzoo import MPE_TASKS
from marlbench_pettingzoo.config import Config
from marlbench_pettingzoo.importing import simulator
from marlbench_pettingzoo.parallel import Parallel, version
from marlbench_pettingzoo.particles import STEPS, WORLDS, Particles

SEEDS = 12


def wrapped(task: str, continuous: bool) -> Parallel:
    """Give a world of the `mpe` suite as the `pettingzoo` suite plays it, in turns."""
    world = WORLDS[task]
    make = simulator(f"mpe2.{world.module}", "pip install mpe2").parallel_env
    config = Config(reward="shared", limit=STEPS, leaving=False)
    inside = make(**world.kwargs, continuous_actions=continuous)
    return Parallel(inside, config, version("mpe2"), world.return_bounds)


def episodes(env: Env) -> list[Step]:
    """Give the steps of an episode of uniform play for each of the seeds, one after the other."""
    steps = list[Step]()
    for seed in range(SEEDS):
        rng, step = np.random.default_rng(seed), env.reset(seed)
        steps.append(step)
        while not step.last:
            step = env.step(random_actions(env.spec, step, rng))
            steps.append(step)
    return steps


def said(step: Step) -> dict[str, tuple[Any, ...]]:
    """Give shape, dtype and bytes of all that a step says; that it was not cut goes unsaid."""
    whole = {f.name: np.asarray(getattr(step, f.name)) for f in fields(Step) if f.name != "info"}
    assert step.info in ({}, {"cut": False})
    return {name: (x.shape, x.dtype, x.tobytes()) for name, x in whole.items()}


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("task", MPE_TASKS)
def test_whole_episodes_are_those_of_the_wrapped_world(task: str, continuous: bool) -> None:
    ours, theirs = Particles(task, continuous), wrapped(task, continuous)
    assert ours.spec == theirs.spec
    played, expected = episodes(ours), episodes(theirs)
    assert len(played) == SEEDS * (STEPS + 1)
    for step, other in zip(played, expected, strict=True):
        assert said(step) == said(other)


def test_steps_that_were_given_stay_as_they_were() -> None:
    env = Particles("simple_speaker_listener")
    first = env.reset(0)
    before = said(first)
    for _ in range(3):
        env.step(first.avail.argmax(-1))
    first_again = said(first)
    assert before == first_again


def test_rewards_that_are_not_paid_are_not_reckoned(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = simulator("mpe2.simple_spread.simple_spread", "pip install mpe2").Scenario
    monkeypatch.delattr(scenario, "is_collision")  # of agents' own rewards alone
    env = Particles("simple_spread_3")
    env.reset(0)
    assert (env.step(np.zeros(3, np.int64)).reward < 0).all()
