"""Plays a grid undisturbed and once more disturbed, and compares their rows."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from marlbench.chaos.faults import KILLS, OTHERS, Victim
from marlbench.chaos.grids import Field
from marlbench.store.files import read_rows
from marlbench.store.folder import EVALUATIONS, TRAINING

__all__ = ["Disturbance", "compare", "disturb", "play"]

ONE_IN = 5
"""Of so many faults one is no kill."""
STUCK = 900.0
"""Seconds without any progress after which a grid counts as stuck."""
BURIAL = 1.0
"""Seconds for the system to bury what was killed last."""
LISTEN = "from marlbench.chaos.inside import listen\n\nlisten()\n"


@dataclass
class Disturbance:
    """What was done to a grid."""

    kills: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    grids: int = 0
    """How often the command was given."""
    attempts: int = 0
    seconds: float = 0.0
    left: int = 0
    """Processes that outlived the last grid."""
    compared: int = 0
    """Rows of the runs that nobody disturbed."""
    wrong: list[str] = field(default_factory=list)
    """Files that are not as in those."""

    def add(self, other: Disturbance) -> None:
        """Add what was done to another grid."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def lines(self) -> Iterator[str]:
        """Say what was done and what came of it."""
        yield f"{self.kills.total()} kills: {_counted(self.kills)}"
        yield f"{self.others.total()} other faults: {_counted(self.others)}"
        yield f"{self.grids} grids, {self.attempts} workers, {self.seconds / 60:.0f} min"
        if self.left:
            yield f"FAIL  {self.left} processes outlived their grids"
        yield from (
            f"FAIL  {file} is not as in the run that nobody disturbed" for file in self.wrong
        )
        if not self.wrong:
            yield f"{self.compared:,} rows compared: all as in the runs that nobody disturbed"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.most_common()) or "none"


def play(command: Sequence[str], results: Path, inside: Path) -> None:
    """Play a grid to its end and let it be; RuntimeError if it does not get there."""
    disturb(command, results, inside, kills=0, steps=1, draws=random.Random(0), say=lambda _: None)


def disturb(  # noqa: PLR0913 - what a disturbance is
    command: Sequence[str],
    results: Path,
    inside: Path,
    kills: int,
    steps: int,
    draws: random.Random,
    say: Callable[[str], None],
) -> Disturbance:
    """Play a grid of so many env steps to its end, with so many kills on the way.

    They come as the grid gets on, not by the clock, so that a slow machine meets as many.
    RuntimeError if nothing gets on any more.
    """
    inside.mkdir(parents=True, exist_ok=True)
    (inside / "sitecustomize.py").write_text(LISTEN)
    grid, done, began = Field(command, results, inside), Disturbance(), time.monotonic()
    due = schedule(kills, steps)
    moved, furthest = began, -1
    try:
        while not grid.tend():
            if (reached := grid.reached()) > furthest:
                furthest, moved = reached, time.monotonic()
            if time.monotonic() - moved > STUCK:
                raise RuntimeError(f"nothing gets on: {inside / 'grids.log'}")
            if due and reached >= due[0] and strike(grid, draws, done, say):
                due.pop(0)
            time.sleep(0.05)
        time.sleep(BURIAL)
        done.left = len(grid.left())
    finally:
        grid.end()
    done.grids, done.seconds = grid.starts, time.monotonic() - began
    done.attempts = sum(len(list((run / "attempts").iterdir())) for run in grid.runs())
    return done


def schedule(kills: int, steps: int) -> list[float]:
    """Give the env steps at which something happens: kills, and other faults between them.

    >>> schedule(2, 300)
    [100.0, 200.0]
    """
    faults = kills + kills // (ONE_IN - 1)
    return [steps * (number + 1) / (faults + 1) for number in range(faults)]


def strike(
    grid: Field, draws: random.Random, done: Disturbance, say: Callable[[str], None]
) -> bool:
    """Let something happen to a worker that plays; give whether there was one."""
    workers = list(grid.workers())
    if not workers or not grid.grids:
        return False
    number = done.kills.total() + done.others.total()
    kinds, count = (OTHERS, done.others) if number % ONE_IN == ONE_IN - 1 else (KILLS, done.kills)
    weights = [weight for weight, _ in kinds.values()]
    (name,) = draws.choices(list(kinds), weights)
    folder, owner = draws.choice(workers)
    what = kinds[name][1](Victim(grid, folder, owner, draws))
    count[name] += 1
    where = "/".join(filter(None, [*folder.parts[-4:], what]))
    say(f"  {grid.done()} of {len(grid.runs())} runs done: {name}: {where}")
    return True


def compare(whole: Path, disturbed: Path, done: Disturbance) -> None:
    """Note how many rows there are, and the files that are not the same, byte for byte."""
    for path in sorted(whole.glob("*/*/*/*/*.jsonl")):
        if path.name in (EVALUATIONS, TRAINING):
            there, other = rows(path), disturbed / path.relative_to(whole)
            done.compared += len(there)
            try:
                same = rows(other) == there
            except ValueError:  # it cannot be read
                same = False
            done.wrong += [] if same else [str(other)]


def rows(path: Path) -> list[str]:
    """Give the rows of a file less what may differ between runs."""
    return [json.dumps({k: v for k, v in row.items() if k != "wall"}) for row in read_rows(path)]
