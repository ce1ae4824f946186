"""Env steps per second of a suite's default task.

`python -m marlbench.bench.suites NAME S COPIES` plays S seconds uniformly with each number of
copies, `1,8` say, through the host's vector form, its checks and the choosing of actions included.
It prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from marlbench.host import load_catalogue
from marlbench.plugin import Suite
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.synchronous import build


def measure(suite: Suite, copies: int, seconds: float) -> float:
    """Give env steps a second of the clock; what is imported or compiled first is not in it."""
    env = build(suite, suite.default_task, suite.config(), copies)
    step, rng = env.reset(np.arange(copies)), np.random.default_rng(0)
    step = env.step(random_actions(env.spec, step, rng), rng.integers(2**31, size=copies))
    begin, steps = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        steps += int((~step.last).sum())
        step = env.step(random_actions(env.spec, step, rng), rng.integers(2**31, size=copies))
    spent = time.perf_counter() - begin
    env.close()
    return steps / spent


def main(name: str, seconds: str, copies: str) -> None:
    """Measure the suite of this name."""
    suite = load_catalogue().suite(name)
    speeds = {
        f"E={count}": measure(suite, int(count), float(seconds)) for count in copies.split(",")
    }
    print(json.dumps(speeds))


if __name__ == "__main__":
    main(*sys.argv[1:])
