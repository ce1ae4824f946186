"""Measures what the README says of every task: `python -m marlbench_skirmish.measure`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import Step
from marlbench_skirmish.config import Config
from marlbench_skirmish.env import VectorSkirmish
from marlbench_skirmish.scripted import focus_fire, uniform
from marlbench_skirmish.tasks import TASKS

EPISODES = 1000


def outcome(task: str, policy: Callable[[Step], NDArray[np.int64]]) -> tuple[float, float, float]:
    """Give win rate, mean return and mean length of seeds 0 to 999."""
    env, seeds = VectorSkirmish(task, Config(), EPISODES), np.arange(EPISODES)
    step = env.reset(seeds)
    over, won = step.last, np.zeros(EPISODES, np.bool_)
    total, length = np.zeros(EPISODES), np.zeros(EPISODES)
    while not over.all():
        step = env.step(policy(step), seeds)
        total += np.where(over, 0, step.reward[:, 0])
        length += ~over
        won |= step.info["won"] & ~over
        over = over | step.last
    return float(won.mean()), float(total.mean()), float(length.mean())


def milliseconds(task: str, num_envs: int, steps: int = 2000) -> float:
    """Give the time of one vector step under random play, choosing of actions not counted."""
    env, rng = VectorSkirmish(task, Config(), num_envs), np.random.default_rng(0)
    seeds, spent = np.arange(num_envs), 0.0
    step = env.reset(seeds)
    for _ in range(steps):
        seeds += num_envs
        actions = uniform(step, rng)
        begun = time.perf_counter()
        step = env.step(actions, seeds)
        spent += time.perf_counter() - begun
    return spent / steps * 1000


def main() -> None:
    """Print the README's two tables."""
    for task in TASKS:
        spec, rng = VectorSkirmish(task, Config(), 1).spec, np.random.default_rng(0)
        print(f"| `{task}` | {spec.num_agents} | {spec.num_actions} | {spec.obs_shape[0]} ", end="")
        print(f"| {(spec.state_shape or (0,))[0]} | {spec.episode_limit} ", end="")
        for policy in (lambda s, r=rng: uniform(s, r), lambda s, p=spec: focus_fire(s, p)):
            win, total, length = outcome(task, policy)
            print(f"| {win:.3f} / {total:.1f} / {length:.0f} ", end="")
        print("|")
    for task in ("3v3", "8v8"):
        for num_envs in (1, 8, 32):
            ms = milliseconds(task, num_envs)
            print(f"| `{task}` | {num_envs} | {ms:.2f} | {num_envs / ms * 1000:,.0f} |")


if __name__ == "__main__":
    main()
