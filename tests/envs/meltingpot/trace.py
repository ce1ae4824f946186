"""As a program: plays an episode of uniform play and prints a digest of all that was seen.

`python trace.py TASK SEED STEPS [PLAYED_BEFORE]`: steps of another episode are played before.
"""

from __future__ import annotations

import hashlib
import sys

import numpy as np

from marlbench.plugin import Step
from marlbench_meltingpot import build
from marlbench_meltingpot.config import Config


def digest(task: str, seed: int, steps: int, played_before: int = 0) -> str:
    """Give a digest of observations, rewards and flags of an episode."""
    env = build(task, Config(episode_length=steps))
    draws = np.random.default_rng(1)
    if played_before:
        env.reset(99)
    for _ in range(played_before):
        env.step(actions(env.spec.num_agents, draws))
    draws, step, seen = np.random.default_rng(seed), env.reset(seed), hashlib.sha256()
    add(seen, step)
    while not step.last:
        step = env.step(actions(env.spec.num_agents, draws))
        add(seen, step)
    return seen.hexdigest()


def actions(agents: int, draws: np.random.Generator) -> np.ndarray:
    """Draw a joint action (A,); all substrates have these seven."""
    return draws.integers(0, 7, agents)


def add(seen: hashlib._Hash, step: Step) -> None:
    """Take a step into the digest."""
    seen.update(step.obs.tobytes() + step.reward.tobytes() + bytes([step.last, step.terminal]))


if __name__ == "__main__":
    print(digest(sys.argv[1], *map(int, sys.argv[2:])))
