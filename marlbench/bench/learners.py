"""What a learner costs on made-up battles.

`python -m marlbench.bench.learners NAME PRESET DEVICE N`, N being updates that are timed, prints
one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from marlbench.bench.timing import forget_peak, peak_bytes, timed
from marlbench.host import load_catalogue
from marlbench.plugin import Algorithm, AlgorithmConfig
from marlbench.testing.launches import launches
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.testing.trial import Trial, overlay
from marlbench.training.allocator import keep_freed_memory
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.synchronous import SyncVectorEnv

__all__ = ["SIZES", "battles", "measure"]

SIZES = Sizes(agents=5, actions=11, obs_shape=(92,), state=130, limit=60, death=0.02, end=0.02)
"""Those of `protoss_5_vs_5`, but for episodes of up to 60 steps."""
COPIES = (1, 8, 64)
ACTS = 50
"""Policy steps of which the median is taken."""


def measure(algorithm: Algorithm, preset: str, device: str, updates: int) -> dict[str, float]:
    """Give time and counts of an update, time of policy steps in ms, and MiB at the most.

    Made-up episodes have mixed lengths; `equal` is the time where each has all its steps.
    """
    settings = overlay(algorithm.defaults, algorithm.presets.get(preset, {}))
    config = algorithm.config(**settings)
    forget_peak(device)
    trial = begun(algorithm, config, SIZES, device)
    counted = next_update(trial, launches)
    figures = {"update ms": update_ms(trial, device, updates)}
    alike = begun(algorithm, config, replace(SIZES, death=0.0, end=0.0), device)
    figures["equal ms"] = update_ms(alike, device, updates)
    figures |= {"operations": counted.operations.total(), "syncs": counted.syncs.total()}
    for copies in COPIES:
        figures[f"act ms E={copies}"] = 1000 * policy_step(trial.agent, copies, device)
    return figures | {"peak MiB": peak_bytes(device) / 2**20}


def begun(algorithm: Algorithm, config: AlgorithmConfig, sizes: Sizes, device: str) -> Trial:
    """Give a learner that has learnt once: that warms up, and gives optimisers their state."""
    env = battles(config.num_envs, sizes)
    trial = Trial(algorithm.build(config, env.spec, 0, device), env)
    next_update(trial, lambda act: act())
    return trial


def battles(copies: int, sizes: Sizes = SIZES) -> CheckedVectorEnv:
    """Give so many copies of the made-up task."""
    return CheckedVectorEnv(SyncVectorEnv(partial(Synthetic, sizes), copies))


def next_update(trial: Trial, watched: Callable[[Callable[[], None]], Any]) -> Any:
    """Play until an update learns; give what `watched` says of it."""
    metrics: list[Any] = [None]
    while metrics[-1] is None:
        trial.move()
        said = watched(lambda: metrics.append(trial.agent.update()))
    return said


def update_ms(trial: Trial, device: str, updates: int) -> float:
    """Give the median milliseconds of so many updates."""
    found = [next_update(trial, partial(timed, device)) for _ in range(updates)]
    return 1000 * statistics.median(found)


def policy_step(agent: Any, copies: int, device: str) -> float:
    """Give the median seconds of `act` for so many copies."""
    step = battles(copies).reset(np.arange(copies))
    state, rng = agent.start(copies), np.random.default_rng(0)
    seconds = [
        timed(device, lambda: agent.act(step, state, rng, explore=True)) for _ in range(ACTS)
    ]
    return statistics.median(seconds)


def main(name: str, preset: str, device: str, updates: str) -> None:
    """Measure the learner of this name, set up as a run of its own is, with one thread."""
    torch.set_num_threads(1)
    keep_freed_memory()
    algorithm = load_catalogue().algorithm(name)
    print(json.dumps(measure(algorithm, preset, device, int(updates))))


if __name__ == "__main__":
    main(*sys.argv[1:])
