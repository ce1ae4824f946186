"""What it costs to begin and to end a run: of the preset `smoke`, which hardly learns.

`python -m marlbench.bench.runs ALGORITHM SUITE DEVICE` prints one line of JSON, in seconds of the
processor.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from marlbench import store
from marlbench.grid.scheduler import WORKER

__all__ = ["measure"]

FIRST_STEP = (sys.executable, "-P", "-m", "marlbench.bench.first_step")
MARLBENCH = (sys.executable, "-P", "-m", "marlbench")


def measure(algorithm: str, suite: str, device: str) -> dict[str, float]:
    """Give CPU seconds of a worker until its first env step, of a whole one, and of its command.

    The command is `marlbench run`: plan, scheduler and view besides the worker itself.
    """
    with tempfile.TemporaryDirectory() as place:
        results = Path(place)
        words = ["run", "--algo", algorithm, "--suite", suite, "--preset", "smoke"]
        words += ["--seed", "0", "--set", f"run.device={device}", "--results", place]
        whole, _ = spent([*MARLBENCH, *words])
        (record,) = store.runs(results)
        begun, alone = (store.create(results / name, record.spec) for name in ("begun", "alone"))
        _, printed = spent([*FIRST_STEP, str(begun)])
        worker, _ = spent([*WORKER, str(alone)])
    return {"first step s": float(printed), "worker s": worker, "command s": whole}


def spent(command: list[str]) -> tuple[float, str]:
    """Give the CPU seconds of a command with all that it started, and what it printed."""
    before = children()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return children() - before, done.stdout


def children() -> float:
    """Give the CPU seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(algorithm: str, suite: str, device: str) -> None:
    """Measure this learner's runs."""
    try:
        print(json.dumps(measure(algorithm, suite, device)))
    except subprocess.CalledProcessError as error:
        sys.exit((error.stderr.strip().splitlines() or [str(error)])[-1])


if __name__ == "__main__":
    main(*sys.argv[1:])
