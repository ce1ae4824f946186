"""Measures what the README says of every task: `python -m marlbench_skirmish.measure`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench_skirmish import build_vector
from marlbench_skirmish.config import Config
from marlbench_skirmish.scripted import charge, focus_fire, nearest_item, uniform
from marlbench_skirmish.tasks import GATHERINGS, TASKS

EPISODES = 1000

Policy = Callable[[Step], NDArray[np.int64]]


def outcome(task: str, policy: Policy) -> tuple[float, float, float]:
    """Give the share of seeds 0 to 999 that were won, or gathered bare; mean return and length."""
    env, seeds = build_vector(task, Config(), EPISODES), np.arange(EPISODES)
    step = env.reset(seeds)
    over, won = step.last, np.zeros(EPISODES, np.bool_)
    total, length = np.zeros(EPISODES), np.zeros(EPISODES)
    while not over.all():
        step = env.step(policy(step), seeds)
        total += np.where(over, 0, step.reward[:, 0])
        length += ~over
        won |= step.info.get("won", step.terminal) & ~over
        over = over | step.last
    return float(won.mean()), float(total.mean()), float(length.mean())


def milliseconds(task: str, num_envs: int, steps: int = 2000) -> float:
    """Give the time of one vector step under random play, choosing of actions not counted."""
    env, rng = build_vector(task, Config(), num_envs), np.random.default_rng(0)
    seeds, spent = np.arange(num_envs), 0.0
    step = env.reset(seeds)
    for _ in range(steps):
        seeds += num_envs
        actions = uniform(step, rng)
        begun = time.perf_counter()
        step = env.step(actions, seeds)
        spent += time.perf_counter() - begun
    return spent / steps * 1000


def scripted(task: str, spec: EnvSpec) -> list[Policy]:
    """Give the policies without learning for this kind of task, the one that knows it last."""
    return [nearest_item] if task in GATHERINGS else [charge, lambda step: focus_fire(step, spec)]


def main() -> None:
    """Print the README's tables: first all tasks, then speeds."""
    for task in (*TASKS, *GATHERINGS):
        spec, rng = build_vector(task, Config(), 1).spec, np.random.default_rng(0)
        seen = " x ".join(map(str, spec.obs_shape))
        print(f"| `{task}` | {spec.num_agents} | {spec.num_actions} | {seen} ", end="")
        print(f"| {(spec.state_shape or (0,))[0]} | {spec.episode_limit} ", end="")
        policies: list[Policy] = [partial(uniform, rng=rng), *scripted(task, spec)]
        for policy in policies:
            win, total, length = outcome(task, policy)
            print(f"| {win:.3f} / {total:.1f} / {length:.0f} ", end="")
        print("|")
    for task in ("3v3", "8v8", "gather44"):
        for num_envs in (1, 8, 32):
            ms = milliseconds(task, num_envs)
            print(f"| `{task}` | {num_envs} | {ms:.2f} | {num_envs / ms * 1000:,.0f} |")


if __name__ == "__main__":
    main()
