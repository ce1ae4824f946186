"""What a grid itself costs: reading finished runs, a row on the disk, watching workers.

`python benchmarks/grids.py [RUNS]`; it writes below the folder for temporary files.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from marlbench import store
from marlbench.config import RunConfig, RunSpec
from marlbench.exit_codes import ExitCode
from marlbench.grid.scheduler import Scheduler
from marlbench.grid.slots import Slot
from marlbench.grid.status import overview
from marlbench.store import Journal

POINTS = 41
"""Evaluations of a run of the paper's length."""
WATCHED = 64
"""Runs at a time."""
SECONDS = 20
"""For which they are watched."""


class Silent:
    """Watches a grid and says nothing."""

    def started(self, folder: Path, attempt: int) -> None:
        """Say nothing."""

    def retrying(self, folder: Path, reason: str, seconds: float) -> None:
        """Say nothing."""

    def finished(self, folder: Path, failure: str | None) -> None:
        """Say nothing."""

    def stopping(self, workers: int, seconds: float) -> None:
        """Say nothing."""

    def tick(self) -> None:
        """Say nothing."""


def row(step: int) -> dict[str, object]:
    """Give an evaluation of 32 episodes as a worker writes it."""
    values = {"return": [1.25] * 32, "win": [0.0, 1.0] * 16}
    means = {"return": 1.25, "win": 0.5}
    told = {"episodes": 32, "crashed": 0, "length": 20.0, "lengths": [20] * 32}
    return {
        "kind": "curve",
        "step": step,
        "env_steps": step,
        "metrics": means,
        "values": values,
    } | told


def spec(seed: int) -> RunSpec:
    """Give a run's document."""
    names = {"suite": "skirmish", "task": "3v3", "algorithm": "qmix", "label": "qmix"}
    return RunSpec(**names, seed=seed, run=RunConfig(steps=400_000))


def finish(results: Path, seed: int) -> float:
    """Write a finished run; give the seconds that its evaluations took."""
    journal = Journal(store.create(results, spec(seed)))
    began = time.perf_counter()
    for point in range(POINTS):
        journal.append_evaluation({**row(10_000 * point), "wall": journal.wall()})
    took = time.perf_counter() - began
    journal.write_done({"env_steps": 400_000})
    journal.close()
    return took


def watch(results: Path) -> float:
    """Watch workers that do nothing; give the share of a core that watching took."""
    folders = [store.create(results, spec(seed)) for seed in range(WATCHED)]
    slots = [Slot(f"cpu {number}", "", 1) for number in range(WATCHED)]
    code = f"import time; time.sleep({SECONDS}); raise SystemExit({int(ExitCode.INTERRUPTED)})"
    before = resource.getrusage(resource.RUSAGE_SELF)
    Scheduler(slots, Silent(), command=[sys.executable, "-S", "-c", code]).run(folders)
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent / SECONDS


def main(number: int) -> None:
    """Print a line for each figure."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        seconds = sum(finish(results, seed) for seed in range(number))
        print(f"an evaluation's row, on the disk: {1000 * seconds / (number * POINTS):.2f} ms")
        began = time.process_time()
        store.runs(results)
        print(f"{number} finished runs read once: {time.process_time() - began:.2f} s of CPU")
        began = time.process_time()
        list(overview(results))
        print(f"marlbench status of them: {time.process_time() - began:.2f} s of CPU")
    with tempfile.TemporaryDirectory() as folder:
        print(f"watching {WATCHED} runs: {100 * watch(Path(folder)):.2f} % of a core")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
