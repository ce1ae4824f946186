"""What a grid itself costs: reading finished runs, a row, watching workers, starting to train.

`python benchmarks/grids.py [RUNS]`; it writes below the folder for temporary files.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import psutil

from marlbench import store
from marlbench.config import RunConfig, RunSpec
from marlbench.grid.board import Board
from marlbench.grid.plain import PlainView
from marlbench.grid.scheduler import WORKER, Scheduler
from marlbench.grid.slots import Slot
from marlbench.grid.status import overview
from marlbench.store import Journal

POINTS = 41
"""Evaluations of a run of the paper's length."""
WATCHED = 64
"""Runs at a time."""
SECONDS = 30
"""For which they are watched."""
PLAYER = """
import json, os, sys, time
for step in range(int(sys.argv[1])):
    said = {"time": time.time(), "env_steps": step, "steps_per_s": 1.0, "eta_s": 60.0,
            "scores": {"win": "25.0 %", "return": "3.20"}, "phase": "training",
            "replay_gib": 0.1, "copies_gib": 0.1, "free_gib": 40.0}
    with open(sys.argv[2] + "/new", "w") as file:
        json.dump(said, file, indent=2)
    os.replace(file.name, sys.argv[2] + "/progress.json")
    time.sleep(1)
"""
"""A worker that plays nothing; without torch, so that many find room on any machine."""


class Timed(PlainView):
    """The view of a grid without a terminal; notes what CPU time starts and watching took."""

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__(Board([(folder, spec(0)) for folder in folders], WATCHED))
        self.began = time.process_time()
        self.ticks: list[tuple[float, float]] = []
        """Time and CPU time whenever all runs were being played."""

    def tick(self) -> None:
        """Look at the runs, and note the time while all are being played."""
        super().tick()
        if self.board.number("running") == WATCHED:
            self.ticks.append((time.monotonic(), time.process_time()))

    def costs(self) -> tuple[float, float, float]:
        """Give CPU seconds of a start, the share of a core watching, CPU seconds of an end."""
        (since, started), (until, watched) = self.ticks[0], self.ticks[-1]
        share = (watched - started) / (until - since)
        ended = time.process_time() - watched
        return (started - self.began) / WATCHED, share, ended / WATCHED


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


def watch(results: Path) -> tuple[float, float, float]:
    """Play runs that do nothing but say so every second; give `Timed.costs`."""
    folders = [store.create(results, spec(seed)) for seed in range(WATCHED)]
    slots = [Slot(f"cpu {number}", "", 1) for number in range(WATCHED)]
    view = Timed(folders)
    command = [sys.executable, "-S", "-c", PLAYER, str(SECONDS)]
    with redirect_stdout(StringIO()):
        Scheduler(slots, view, attempts=1, command=command).run(folders)
    return view.costs()


def first_step(results: Path, suite: str, task: str, algorithm: str) -> float:
    """Give the CPU seconds that a worker takes until it trains, its first evaluation among them."""
    names = {"suite": suite, "task": task, "algorithm": algorithm, "label": algorithm}
    folder = store.create(results, RunSpec(**names, seed=0, run=RunConfig(steps=20_000)))
    worker = psutil.Popen([*WORKER, str(folder)], stdout=subprocess.DEVNULL)
    try:
        while (store.read(folder).progress or {}).get("phase", "starting") == "starting":
            spent = worker.cpu_times()
            time.sleep(0.02)
    finally:
        worker.kill()
        worker.wait()
    return float(spent.user + spent.system)


def main(number: int) -> None:
    """Print a line for each figure."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        began = time.process_time()
        seconds = sum(finish(results, seed) for seed in range(number))
        cpu = time.process_time() - began
        rows = number * POINTS
        print(f"an evaluation's row, on the disk: {1000 * seconds / rows:.2f} ms")
        print(f"a finished run written, CPU alone, by row: {1000 * cpu / rows:.2f} ms")
        began = time.process_time()
        store.runs(results)
        print(f"{number} finished runs read once: {time.process_time() - began:.2f} s of CPU")
        began = time.process_time()
        list(overview(results))
        print(f"marlbench status of them: {time.process_time() - began:.2f} s of CPU")
    with tempfile.TemporaryDirectory() as folder:
        start, share, end = watch(Path(folder))
    print(f"watching {WATCHED} runs: {100 * share:.2f} % of a core")
    print(f"starting one and ending one: {1000 * start:.1f} and {1000 * end:.1f} ms of CPU")
    for suite, task in (("probe", "two_step"), ("skirmish", "3v3")):
        for algorithm in ("ippo", "qmix"):
            with tempfile.TemporaryDirectory() as folder:
                seconds = first_step(Path(folder), suite, task, algorithm)
            print(f"a worker of {algorithm} on {suite} at its first step: {seconds:.2f} s of CPU")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
