"""Env steps a second of a task, and what its copies cost.

`python -m marlbench.bench.suites SUITE TASK S COPIES` plays uniformly for S seconds of the
processor with each number of copies, `1,8` say, through the host's vector form, its checks and the
choosing of actions included; episodes that end are begun anew. It prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from marlbench.bench.timing import peak_bytes
from marlbench.host import load_catalogue
from marlbench.plugin import Step, Suite
from marlbench.training.memory_budget import free_bytes
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.synchronous import build

__all__ = ["measure"]

SLICE = 0.75
"""Share of the free memory that copies may fill."""
PATIENCE = 5
"""Seconds of the clock for each that is asked for, where others have the processor."""


def measure(suite: Suite, task: str, copies: list[int], seconds: float) -> dict[str, float]:
    """Give env steps per second of this process's processor for each number of copies.

    Of the last of them also by the clock, which counts a game's own process too. `first step` is
    the processor's seconds from building one copy until it has stepped, with imports and
    compiling; `reset` those of a copy's; `copy` its memory, at least.
    """
    begin = time.process_time()
    first = build(suite, task, suite.config(), 1)
    rng = np.random.default_rng(0)
    played(first, first.reset(np.zeros(1, np.int64)), 1, rng)
    figures, taken = {"first step s": time.process_time() - begin}, 0.0
    for count in copies:
        need, free = taken * count, free_bytes()
        if free is not None and need > SLICE * free:
            figures[f"E={count} needs GiB"] = need / 2**30
            continue
        before, begin = peak_bytes("cpu"), time.process_time()
        env = build(suite, task, suite.config(), count)
        step = env.reset(np.arange(count))
        reset = (time.process_time() - begin) / count
        figures[f"E={count}"], clock = speed(env, step, seconds, rng)
        taken = max(taken, (peak_bytes("cpu") - before) / count)
        env.close()
    first.close()
    return figures | {"by the clock": clock, "reset ms": 1000 * reset, "copy MiB": taken / 2**20}


def speed(
    env: CheckedVectorEnv, step: Step, seconds: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Give env steps per second of the processor, and of the clock."""
    step, _ = played(env, step, 4, rng)
    begin, clock, steps = time.process_time(), time.perf_counter(), 0
    spent = passed = 0.0
    while spent < seconds and passed < PATIENCE * seconds:
        step, more = played(env, step, 4, rng)
        steps += more
        spent, passed = time.process_time() - begin, time.perf_counter() - clock
    return steps / spent, steps / passed


def played(
    env: CheckedVectorEnv, step: Step, moments: int, rng: np.random.Generator
) -> tuple[Step, int]:
    """Play so many moments of all copies at random; give the step and the env steps in it."""
    steps = 0
    for _ in range(moments):
        steps += int((~step.last).sum())
        seeds = rng.integers(2**31, size=env.num_envs)
        step = env.step(random_actions(env.spec, step, rng), seeds)
    return step, steps


def main(name: str, task: str, seconds: str, copies: str) -> None:
    """Measure a task of the suite of this name."""
    suite = load_catalogue().suite(name)
    print(json.dumps(measure(suite, task, [int(n) for n in copies.split(",")], float(seconds))))


if __name__ == "__main__":
    main(*sys.argv[1:])
