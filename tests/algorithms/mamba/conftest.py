"""Small settings and made-up steps that MAMBA's tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from marlbench.plugin import EnvSpec, Step
from marlbench_mamba.config import MambaConfig

Play = Callable[[int, int], Iterator[Step]]


@pytest.fixture
def config() -> MambaConfig:
    return MambaConfig(
        num_envs=4,
        min_buffer=40,
        buffer=2000,
        model_updates=2,
        agent_updates=1,
        batch=3,
        length=6,
        deter=12,
        hidden=16,
        latents=3,
        classes=4,
        layers=2,
        heads=4,
        horizon=4,
        epochs=2,
        minibatch=20,
    )


@pytest.fixture
def steps(spec: EnvSpec) -> Play:
    """Make-believe play of E copies: ends and time-outs in episodes of 4 to 8 steps.

    An observation's first number is the step's time, so that rows tell where they come from.
    """

    def play(num_envs: int, seed: int) -> Iterator[Step]:
        rng = np.random.default_rng(seed)
        age, life = np.zeros(num_envs, int), rng.integers(4, 9, num_envs)
        while True:
            avail = rng.random((num_envs, spec.num_agents, spec.num_actions)) < 0.5
            avail[..., 1] = True
            obs = rng.standard_normal((num_envs, spec.num_agents, *spec.obs_shape))
            obs[..., 0] = age[:, None]
            reward = np.repeat(age[:, None], spec.num_agents, 1)
            last = age == life
            yield Step(
                obs=obs.astype(np.float32),
                avail=avail,
                alive=np.ones(avail.shape[:2], bool),
                reward=reward.astype(np.float32),
                first=age == 0,
                last=last,
                terminal=last & (life % 2 == 0),
            )
            age = np.where(last, 0, age + 1)
            life = np.where(last, rng.integers(4, 9, num_envs), life)

    return play
