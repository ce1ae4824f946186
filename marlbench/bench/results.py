"""What a folder of results costs: writing rows, reading them back, watching those that play.

`python -m marlbench.bench.results RUNS WATCHED S` makes up so many finished runs below the folder
for temporary files, lets WATCHED say for S seconds that they play, and prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np

from marlbench import store
from marlbench.config import RunConfig, RunSpec
from marlbench.grid.board import Board
from marlbench.grid.plain import PlainView
from marlbench.grid.scheduler import Scheduler
from marlbench.grid.slots import Slot
from marlbench.store import Journal

__all__ = ["measure"]

POINTS = 41
"""Evaluations of a run of the paper's length."""
TASKS, LABELS = 5, 5
"""Of what the finished runs are: a grid, all else being seeds."""
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


def measure(runs: int, watched: int, seconds: int) -> dict[str, float]:
    """Give what finished runs cost, then what watching costs; seconds are the processor's.

    An exception is `row ms`, by the clock: it is waited for until the row is on the disk.
    """
    with tempfile.TemporaryDirectory() as place:
        results, begin = Path(place) / "results", time.process_time()
        clock = sum(finish(results, number) for number in range(runs))
        written = time.process_time() - begin
        begin = time.process_time()
        store.runs(results)
        read = time.process_time() - begin
        figures = {
            "row ms": 1000 * clock / (runs * POINTS),
            "row CPU ms": 1000 * written / (runs * POINTS),
            "read a run ms": 1000 * read / runs,
            "status s": command("status", results),
            "report s": command("report", results, "--out", str(Path(place) / "report")),
        }
    with tempfile.TemporaryDirectory() as place:
        begun, share, ended = watch(Path(place), watched, seconds)
    return figures | {"watching %": 100 * share, "begin ms": 1000 * begun, "end ms": 1000 * ended}


def finish(results: Path, number: int) -> float:
    """Write a finished run; give the seconds by the clock that its evaluations took."""
    journal = Journal(store.create(results, spec(number)))
    rng, began = np.random.default_rng(number), time.perf_counter()
    for point in range(POINTS):
        journal.append_evaluation({**row("curve", point, rng), "wall": journal.wall()})
    took = time.perf_counter() - began
    journal.append_evaluation({**row("final", POINTS - 1, rng), "wall": journal.wall()})
    journal.write_done({"env_steps": 400_000})
    journal.close()
    return took


def spec(number: int) -> RunSpec:
    """Give the document of a made-up run."""
    seed, cell = divmod(number, TASKS * LABELS)
    task, label = f"task {cell // LABELS}", f"learner {cell % LABELS}"
    names = {"suite": "made-up", "task": task, "algorithm": label, "label": label}
    return RunSpec(**names, seed=seed, run=RunConfig(steps=400_000))


def row(kind: str, point: int, rng: np.random.Generator) -> dict[str, object]:
    """Give an evaluation of 32 episodes as a worker writes it."""
    wins = (rng.random(32) < point / POINTS).astype(float)
    values = {"return": rng.normal(10 * wins).round(3).tolist(), "win": wins.tolist()}
    return {
        "kind": kind,
        "step": 10_000 * point,
        "env_steps": 10_000 * point,
        "metrics": {name: float(np.mean(found)) for name, found in values.items()},
        "values": values,
        "episodes": 32,
        "crashed": 0,
        "length": 20.0,
        "lengths": [20] * 32,
    }


def command(name: str, results: Path, *options: str) -> float:
    """Give the CPU seconds of a `marlbench` command, from its start to its end."""
    words = [sys.executable, "-P", "-m", "marlbench", name, "--results", str(results), *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Timed(PlainView):
    """The view of a grid without a terminal; notes what CPU time beginnings and watching took."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Begin to count."""
        board = Board([(folder, spec(n)) for n, folder in enumerate(folders)], len(folders))
        super().__init__(board)
        self.watched = len(folders)
        self.began = time.process_time()
        self.ticks: list[tuple[float, float]] = []
        """Time and CPU time whenever all runs were being played."""

    def tick(self) -> None:
        """Look at the runs, and note the time while all are being played."""
        super().tick()
        if self.board.number("running") == self.watched:
            self.ticks.append((time.monotonic(), time.process_time()))

    def costs(self) -> tuple[float, float, float]:
        """Give CPU seconds of a beginning, the share of a core watching, CPU seconds of an end."""
        (since, begun), (until, seen) = self.ticks[0], self.ticks[-1]
        ended = time.process_time() - seen
        share = (seen - begun) / (until - since)
        return (begun - self.began) / self.watched, share, ended / self.watched


def watch(results: Path, watched: int, seconds: int) -> tuple[float, float, float]:
    """Let runs do nothing but say so every second; give `Timed.costs`."""
    folders = [store.create(results, spec(number)) for number in range(watched)]
    slots = [Slot(f"cpu {number}", "", 1) for number in range(watched)]
    view = Timed(folders)
    player = [sys.executable, "-S", "-c", PLAYER, str(seconds)]
    with redirect_stdout(StringIO()):
        Scheduler(slots, view, attempts=1, command=player).run(folders)
    return view.costs()


def main(runs: str, watched: str, seconds: str) -> None:
    """Measure all of it."""
    print(json.dumps(measure(int(runs), int(watched), int(seconds))))


if __name__ == "__main__":
    main(*sys.argv[1:])
