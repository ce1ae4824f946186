"""Made-up battles of the size of protoss_5_vs_5, for the benchmarks of on-policy learners."""

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from marlbench.plugin import EnvSpec, Step
from marlbench.run.allocator import keep_freed_memory

SPEC = EnvSpec(
    num_agents=5, obs_shape=(92,), num_actions=11, episode_limit=120, state_shape=(130,), noop=0
)
LENGTH = 50
"""Mean length of an episode; every tenth step an agent dies with chance 0.2."""


def battle(num_envs: int, seed: int = 0) -> Iterator[Step]:
    """Endless steps of `num_envs` copies, whatever the actions."""
    rng = np.random.default_rng(seed)
    agents, actions = SPEC.num_agents, SPEC.num_actions
    last = np.ones(num_envs, bool)
    alive = np.ones((num_envs, agents), bool)
    while True:
        first = last
        last = (rng.random(num_envs) < 1 / LENGTH) & ~first
        alive = (alive & (rng.random(alive.shape) > 0.02)) | first[:, None]
        avail = rng.random((num_envs, agents, actions)) < 0.6
        avail[..., 0] = ~alive
        avail[..., 1] = alive
        avail[..., 2:] &= alive[..., None]
        obs = rng.normal(size=(num_envs, agents, *SPEC.obs_shape)) * alive[..., None]
        yield Step(
            obs=obs.astype(np.float32),
            avail=avail,
            alive=alive,
            reward=np.repeat(rng.normal(size=(num_envs, 1)), agents, 1).astype(np.float32),
            first=first,
            last=last,
            terminal=last & (rng.random(num_envs) < 0.8),
            state=rng.normal(size=(num_envs, 130)).astype(np.float32),
        )


def prepare() -> None:
    """Set this process up as a run's own is, with one thread."""
    torch.set_num_threads(1)
    keep_freed_memory()


def median_seconds(act: Callable[[], object], repeats: int, warm: int = 2) -> tuple[float, float]:
    """Median CPU and wall seconds of a call, after warm-up calls."""
    for _ in range(warm):
        act()
    cpu, wall = [], []
    for _ in range(repeats):
        begin = time.process_time(), time.perf_counter()
        act()
        cpu.append(time.process_time() - begin[0])
        wall.append(time.perf_counter() - begin[1])
    return statistics.median(cpu), statistics.median(wall)
