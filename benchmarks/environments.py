"""Env steps per second of tasks at 1, 8 and 64 copies, by default of every suite's default task.

`python benchmarks/environments.py [SUITE[/TASK]...] [--copies 1,8] [--seconds 3]`: uniform play
through the host's vector form, its checks and the choosing of actions included, one row per task.
Episodes that end in this time are begun anew in it. Beside it stand the processor's seconds until
the first step of a process is there (imports and compiling), what a reset costs and what a copy
takes of the memory. Each measurement is a process of its own, so that neither compiled code nor
memory of another is in it. Melting Pot takes 50 MiB a copy, 3.3 GB for 64, and a minute or two to
begin them: where three quarters of the free memory are not enough, the cell says what would be.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from marlbench.needs import missing
from marlbench.plugin import Step
from marlbench.training.memory_budget import free_bytes
from marlbench.vecenv.checks import CheckedVectorEnv
from marlbench.vecenv.random_play import random_actions
from marlbench.vecenv.synchronous import build
from naming import named

MIB = 2**20
SLICE = 0.75
"""Share of the free memory that a measurement may fill."""


def main() -> None:
    """Print the machine and a table, or measure one thing for the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", help="SUITE or SUITE/TASK; else all suites")
    parser.add_argument("--copies", default="1,8,64", help="numbers of copies, joined by commas")
    parser.add_argument("--seconds", type=float, default=3.0, help="of stepping per measurement")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.tasks[0], options.one, options.seconds)))
        return
    copies = [int(number) for number in options.copies.split(",")]
    for line in table(options.tasks, copies, options.seconds):
        print(line, flush=True)


def table(wanted: list[str], copies: list[int], seconds: float) -> Iterator[str]:
    """Give the lines of the table, a task each."""
    yield machine()
    heads = [f"E={count} steps/s" for count in copies]
    heads = [f"{'suite/task':<36}", *heads, "first step s", "reset s", "copy MiB"]
    yield "".join(f"{head:>16}" for head in heads)
    for suite, tasks in named(wanted):
        name = f"{suite.name}/{(tasks or [suite.default_task])[0]}"
        if lack := missing(suite):
            yield f"{name:<36}  {lack}"
            continue
        yield f"{name:<36}" + "".join(f"{cell:>16}" for cell in row(name, copies, seconds))


def row(task: str, copies: list[int], seconds: float) -> list[str]:
    """Measure a task at every number of copies; cells of the table."""
    cells, once, each = [], list[str](), 0.0
    for count in copies:
        need, free = each * count * MIB, free_bytes()
        if free is not None and need > SLICE * free:
            cells.append(f"{need / 2**30:.1f} GiB")  # what it would need and there is not
            continue
        found = measure(task, count, seconds)
        if found is None:
            cells.append("fails")
            continue
        cells.append(f"{found['speed']:,.0f}")
        once = once or [f"{found['first']:.3f}", f"{found['reset']:.3f}"]
        each = max(each, found["copy"])
    return [*cells, *(once or ["", ""]), f"{each:.1f}"]


def measure(task: str, count: int, seconds: float) -> dict[str, Any] | None:
    """Measure in a process of its own; None if that fails, whose error it has then printed."""
    command = [sys.executable, __file__, task, "--one", str(count), "--seconds", str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return None
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measured(name: str, count: int, seconds: float) -> dict[str, float]:
    """Play `count` copies for so long; speed, seconds to begin, per reset, and MiB per copy."""
    ((suite, (task,)),) = named([name])
    spent = time.process_time()
    first = build(suite, task, suite.config(), 1)
    play(first, first.reset(np.zeros(1, np.int64)), 1)  # imports and compiles
    begun = time.process_time() - spent
    play(first, first.reset(np.zeros(1, np.int64)), 4)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    env = build(suite, task, suite.config(), count)
    begin = time.perf_counter()
    step = env.reset(np.arange(count))
    reset = time.perf_counter() - begin
    step, _ = play(env, step, 4)
    begin, steps = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        step, played = play(env, step, 20)
        steps += played
    spent = time.perf_counter() - begin
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    first.close()
    env.close()
    return {
        "speed": steps / spent,
        "first": begun,
        "reset": reset / count,
        "copy": grown / count,
    }


def play(env: CheckedVectorEnv, step: Step, moments: int) -> tuple[Step, int]:
    """Play so many moments of all copies at random; the step and the env steps that were real."""
    rng, steps = np.random.default_rng(0), 0
    for _ in range(moments):
        steps += int((~step.last).sum())
        step = env.step(random_actions(env.spec, step, rng), rng.integers(2**31, size=env.num_envs))
    return step, steps


def machine() -> str:
    """Describe what this runs on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    free = free_bytes()
    memory = "" if free is None else f", {free / 2**30:.0f} GiB free"
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{model}, {os.cpu_count()} cores{memory}{load}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
