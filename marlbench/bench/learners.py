"""What a learner costs on made-up battles.

`python -m marlbench.bench.learners NAME PRESET DEVICE N`, N being updates that are timed, prints
one line of JSON. Times are the processor's on a CPU, and the clock's on a GPU, which is waited for.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from marlbench.host import load_catalogue
from marlbench.plugin import Algorithm
from marlbench.testing.launches import launches
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.testing.trial import Trial, overlay
from marlbench.training.allocator import keep_freed_memory
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.synchronous import SyncVectorEnv

SIZES = Sizes(agents=5, actions=11, obs_shape=(92,), state=130, limit=60, death=0.02, end=0.02)
"""Those of `protoss_5_vs_5`, but for episodes of up to 60 steps."""
COPIES = (1, 8, 64)
ACTS = 50
"""Policy steps of which the median is taken."""


def measure(algorithm: Algorithm, preset: str, device: str, updates: int) -> dict[str, float]:
    """Give time and counts of an update, time of policy steps in ms, and MiB at the most."""
    settings = overlay(algorithm.defaults, algorithm.presets.get(preset, {}))
    config = algorithm.config(**settings)
    env = battles(config.num_envs)
    trial = Trial(algorithm.build(config, env.spec, 0, device), env)
    next_update(trial, lambda act: act())  # warms up, and gives optimisers their state
    counted = next_update(trial, launches)
    seconds = [next_update(trial, partial(timed, device)) for _ in range(updates)]
    figures: dict[str, float] = {"update ms": 1000 * statistics.median(seconds)}
    figures |= {"operations": counted.operations.total(), "syncs": counted.syncs.total()}
    for copies in COPIES:
        figures[f"act ms E={copies}"] = 1000 * policy_step(trial.agent, copies, device)
    return figures | {"peak MiB": peak_bytes(device) / 2**20}


def battles(copies: int) -> CheckedVectorEnv:
    """Give so many copies of the made-up task."""
    return CheckedVectorEnv(SyncVectorEnv(partial(Synthetic, SIZES), copies))


def next_update(trial: Trial, watched: Callable[[Callable[[], None]], Any]) -> Any:
    """Play until an update learns; give what `watched` says of it."""
    metrics: list[Any] = [None]
    while metrics[-1] is None:
        trial.move()
        said = watched(lambda: metrics.append(trial.agent.update()))
    return said


def timed(device: str, act: Callable[[], object]) -> float:
    """Give the seconds that a call takes."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    finish(device)
    begin = clock()
    act()
    finish(device)
    return clock() - begin


def finish(device: str) -> None:
    """Wait until the device has done what it was asked for."""
    if device != "cpu":
        torch.cuda.synchronize()


def policy_step(agent: Any, copies: int, device: str) -> float:
    """Give the median seconds of `act` for so many copies."""
    step = battles(copies).reset(np.arange(copies))
    state, rng = agent.start(copies), np.random.default_rng(0)
    seconds = [
        timed(device, lambda: agent.act(step, state, rng, explore=True)) for _ in range(ACTS)
    ]
    return statistics.median(seconds)


def peak_bytes(device: str) -> int:
    """Give the most memory that was taken: of the GPU's if there is one, else of this process."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(name: str, preset: str, device: str, updates: str) -> None:
    """Measure the learner of this name, set up as a run of its own is, with one thread."""
    torch.set_num_threads(1)
    keep_freed_memory()
    algorithm = load_catalogue().algorithm(name)
    print(json.dumps(measure(algorithm, preset, device, int(updates))))


if __name__ == "__main__":
    main(*sys.argv[1:])
