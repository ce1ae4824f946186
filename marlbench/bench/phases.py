"""What each phase of a learner's training step costs, beside the same step written plainly.

`python -m marlbench.bench.phases NAME SIZE AGENTS DEVICE` prints one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from marlbench.bench.learners import SIZES, battles
from marlbench.bench.timing import finish, forget_peak, peak_bytes, seconds
from marlbench.host import load_catalogue
from marlbench.plugin import Algorithm, AlgorithmConfig, PhasedAgent
from marlbench.testing.trial import overlay
from marlbench.training.allocator import keep_freed_memory
from marlbench.vecenv.random_play import random_actions

__all__ = ["measure"]

OBSERVED = 2000
"""Env steps that a learner is shown before its first training step."""
COPIES = 8
TURNS, LONG = 5, 5.0
"""Steps of each of which the median is taken, the first aside; after so many seconds no more."""


def measure(algorithm: Algorithm, size: str, agents: int, device: str) -> dict[str, float]:
    """Give milliseconds of each phase and of the step, ours and plain in turns.

    `size` is one of `Phases.sizes`, or `quick`. `times` is how many times as long the plain step
    takes. On a GPU also the most MiB of ours.
    """
    told = algorithm.phases
    assert told is not None, algorithm.name
    sizes = {**told.sizes, "quick": told.quick}
    settings = overlay(algorithm.defaults, sizes[size])
    settings |= dict(told.on_cpu) if device == "cpu" else {}
    config = algorithm.config(**settings)
    ours = shown(algorithm.build, config, agents, device)
    plain = None if told.plain is None else shown(told.plain, config, agents, device)
    steps: list[dict[str, float]] = []
    slow: list[dict[str, float]] = []
    begin, peak = seconds(device), 0
    while len(steps) < 2 or (len(steps) <= TURNS and seconds(device) - begin < LONG):
        forget_peak(device)
        steps.append(step_ms(ours, device))
        peak = max(peak, peak_bytes(device))
        if plain is not None:
            slow.append(step_ms(plain, device))
    figures = medians(steps[1:])
    if slow:
        figures |= {f"plain {name}": value for name, value in medians(slow[1:]).items()}
        figures["times"] = figures["plain step ms"] / figures["step ms"]
    return figures | ({} if device == "cpu" else {"peak MiB": peak / 2**20})


def shown(
    build: Callable[[Any, Any, int, str], Any], config: AlgorithmConfig, agents: int, device: str
) -> PhasedAgent:
    """Build a learner and show it made-up battles, played at random."""
    env = battles(COPIES, replace(SIZES, agents=agents))
    agent: PhasedAgent = build(config.model_copy(update={"num_envs": COPIES}), env.spec, 0, device)
    rng, seen = np.random.default_rng(0), 0
    step = env.reset(np.arange(COPIES))
    while seen < OBSERVED:
        actions = random_actions(env.spec, step, rng)
        agent.observe(step, actions)
        seen += int((~step.last).sum())
        step = env.step(actions, rng.integers(2**31, size=COPIES))
    return agent


def step_ms(agent: PhasedAgent, device: str) -> dict[str, float]:
    """Take a training step; give the milliseconds of its phases and of all of it."""
    found = {}
    finish(device)
    first = begin = seconds(device)
    for name, _ in agent.phases():
        finish(device)
        end = seconds(device)
        found[f"{name} ms"] = 1000 * (end - begin)
        begin = end
    return found | {"step ms": 1000 * (begin - first)}


def medians(steps: list[dict[str, float]]) -> dict[str, float]:
    """Give the median of each figure over training steps."""
    return {name: statistics.median(step[name] for step in steps) for name in steps[0]}


def main(name: str, size: str, agents: str, device: str) -> None:
    """Measure the learner of this name, set up as a run of its own is, with one thread."""
    torch.set_num_threads(1)
    keep_freed_memory()
    algorithm = load_catalogue().algorithm(name)
    print(json.dumps(measure(algorithm, size, int(agents), device)))


if __name__ == "__main__":
    main(*sys.argv[1:])
