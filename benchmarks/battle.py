"""Made-up battles of the size of protoss_5_vs_5, for the benchmarks of all learners."""

from collections.abc import Iterator

import numpy as np

from marlbench.plugin import EnvSpec, Step

STATE_SIZE = 130
SPEC = EnvSpec(
    num_agents=5,
    obs_shape=(92,),
    num_actions=11,
    episode_limit=120,
    state_shape=(STATE_SIZE,),
    noop=0,
)
LENGTH = 50
"""Mean number of actions in an episode: every step but the first is the last with chance 1 / 50."""
DEATH = 0.02
"""Chance that a living agent is dead at the next step of its episode."""


def battle(num_envs: int, seed: int = 0) -> Iterator[Step]:
    """Endless steps of `num_envs` copies, whatever the actions."""
    rng = np.random.default_rng(seed)
    agents, actions = SPEC.num_agents, SPEC.num_actions
    last = np.ones(num_envs, bool)
    alive = np.ones((num_envs, agents), bool)
    while True:
        first = last
        last = (rng.random(num_envs) < 1 / LENGTH) & ~first
        alive = (alive & (rng.random(alive.shape) > DEATH)) | first[:, None]
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
            state=rng.normal(size=(num_envs, STATE_SIZE)).astype(np.float32),
        )
