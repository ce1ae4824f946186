"""Measures what the README says of every scenario: `python -m marlbench_smax.measure`."""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import Step
from marlbench_smax import TASKS, build_vector
from marlbench_smax.config import Config

EPISODES = 256
CONFIG = Config(compilation_cache=False)


def uniform(step: Step, rng: np.random.Generator) -> NDArray[np.int64]:
    """Give actions (E, A) drawn uniformly from those that are available."""
    return (rng.random(step.avail.shape) * step.avail).argmax(-1)


def compiling(task: str) -> float:
    """Give the processor's seconds until a first step is there, importing not counted."""
    env = build_vector(task, CONFIG, 8)
    begun = time.process_time()
    step = env.reset(np.arange(8))
    env.step(uniform(step, np.random.default_rng(0)), np.arange(8))
    return time.process_time() - begun


def outcome(task: str) -> tuple[float, float, float]:
    """Give the share of seeds 0 to 255 that uniform play wins, its mean return and length."""
    env, rng = build_vector(task, CONFIG, EPISODES), np.random.default_rng(0)
    seeds = np.arange(EPISODES)
    step = env.reset(seeds)
    over, won = step.last, np.zeros(EPISODES, np.bool_)
    total, length = np.zeros(EPISODES), np.zeros(EPISODES)
    while not over.all():
        step = env.step(uniform(step, rng), seeds)
        total += np.where(over, 0, step.reward[:, 0])
        length += ~over
        won |= step.info["won"] & ~over
        over = over | step.last
    return float(won.mean()), float(total.mean()), float(length.mean())


def milliseconds(task: str, num_envs: int, steps: int = 2000) -> float:
    """Give the median time of a vector step, renewals included, choosing of actions not counted."""
    env, rng = build_vector(task, CONFIG, num_envs), np.random.default_rng(0)
    seeds, times = np.arange(num_envs), []
    step = env.reset(seeds)
    for _ in range(steps):
        seeds = seeds + num_envs
        actions = uniform(step, rng)
        begun = time.perf_counter()
        step = env.step(actions, seeds)
        times.append(time.perf_counter() - begun)
    return float(np.median(times)) * 1000


def main(tasks: list[str]) -> None:
    """Print the README's tables: scenarios, then speeds of some."""
    for task in tasks:
        seconds, spec = compiling(task), build_vector(task, CONFIG, 1).spec
        assert spec.state_shape is not None
        sizes = (spec.num_agents, spec.num_actions, spec.obs_shape[0], spec.state_shape[0])
        win, total, length = outcome(task)
        print(f"| `{task}` | {' | '.join(map(str, sizes))} ", end="")
        print(f"| {win:.3f} / {total:.2f} / {length:.0f} | {seconds:.0f} s |", flush=True)
    for task in (task for task in ("3m", "smacv2_5_units", "25m") if task in tasks):
        for num_envs in (1, 8, 64):
            ms = milliseconds(task, num_envs)
            print(f"| `{task}` | {num_envs} | {ms:.2f} | {num_envs / ms * 1000:,.0f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(TASKS))
