"""`marlbench bench`: what learners, suites, runs and results cost on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, product
from typing import TYPE_CHECKING

from marlbench.errors import UserError, did_you_mean
from marlbench.host import Catalogue, check_task
from marlbench.needs import missing
from marlbench.plugin import Phases, Suite

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Asked", "bench"]

PARTS = {
    "learners": "Learners, one thread: an update, with mixed and with equal lengths, and acting",
    "phases": "Training steps by phase, one thread, and the same step written plainly",
    "suites": "Suites: env steps per CPU second, and what a copy costs",
    "runs": "A run of the preset smoke, CPU seconds",
    "results": "A folder of results, CPU time but for a row's",
}


@dataclass(frozen=True)
class Row:
    """What was measured of one thing."""

    part: str
    name: str
    figures: dict[str, float]
    error: str = ""


@dataclass(frozen=True)
class Asked:
    """What is to be measured, and how long."""

    only: Sequence[str] = ()
    """Parts, algorithms, suites or SUITE/TASK; none: all."""
    quick: bool = False
    preset: str = ""
    """Whose sizes learners have; none: `quick`, or `smoke` where it is to be quick."""
    device: str = "cpu"
    """Of learners."""

    @property
    def sizes(self) -> str:
        """The preset whose sizes learners have."""
        return self.preset or ("smoke" if self.quick else "quick")


@dataclass
class Measurement:
    """A child process to measure by: its part, its row's name and its arguments."""

    part: str
    of: str
    """By which it is asked for: an algorithm, a suite or SUITE/TASK."""
    name: str
    arguments: list[str] = field(default_factory=list)
    suite: Suite | None = None
    """Which has to be installed."""


def bench(catalogue: Catalogue, asked: Asked, as_json: bool) -> Iterator[str]:
    """Give tables, or a JSON object; raises UserError for names and devices that are not there."""
    if asked.device not in ("cpu", "cuda"):
        raise UserError(f"--device is cpu or cuda: got {asked.device!r}")
    catalogue.preset(asked.sizes)
    planned = list(plan(catalogue, asked))
    here = machine(asked.device)
    if as_json:
        rows = [vars(measured(each)) for each in planned]
        yield json.dumps({"machine": here, "rows": rows}, indent=2)
        return
    yield ", ".join(f"{what} {value}" for what, value in here.items())
    for part, of_part in groupby(planned, key=lambda each: each.part):
        yield from drawn(table(PARTS[part], list(map(measured, of_part))))


def plan(catalogue: Catalogue, asked: Asked) -> Iterator[Measurement]:
    """Give what is to be measured, part by part; raises UserError for a name that is not there."""
    known = [*PARTS, *catalogue.algorithms, *catalogue.suites]
    for name in asked.only:
        if name.partition("/")[0] not in known:
            raise UserError(
                f"no part, algorithm or suite is called {name!r}{did_you_mean(name, known)} "
                f"(marlbench list; the parts are {', '.join(PARTS)})"
            )
    for planned in (learners, phases, suites, runs, results):
        for each in planned(catalogue, asked):
            if not asked.only or {each.part, each.of} & set(asked.only):
                yield each


def learners(catalogue: Catalogue, asked: Asked) -> Iterator[Measurement]:
    """Plan every learner."""
    updates = "2" if asked.quick else "5"
    for name in catalogue.algorithms:
        arguments = [name, asked.sizes, asked.device, updates]
        yield Measurement("learners", name, name, arguments)


def phases(catalogue: Catalogue, asked: Asked) -> Iterator[Measurement]:
    """Plan every size of the learners that have phases."""
    for name, algorithm in catalogue.algorithms.items():
        told = algorithm.phases or Phases({}, ())
        sizes, agents = (("quick",), told.agents[:1]) if asked.quick else (told.sizes, told.agents)
        for size, number in product(sizes, agents):
            arguments = [name, size, str(number), asked.device]
            yield Measurement("phases", name, f"{name} {size} A={number}", arguments)


def suites(catalogue: Catalogue, asked: Asked) -> Iterator[Measurement]:
    """Plan the default task of every suite, and the tasks that are named."""
    seconds, copies = ("0.3", "1,8") if asked.quick else ("3", "1,8,64")
    named = [(name, *name.split("/", 1)) for name in asked.only if "/" in name]
    defaults = [(name, name, suite.default_task) for name, suite in catalogue.suites.items()]
    for of, name, task in [*defaults, *named]:
        suite = catalogue.suite(name)
        check_task(suite, task)
        arguments = [name, task, seconds, copies]
        yield Measurement("suites", of, f"{name}/{task}", arguments, suite)


def runs(catalogue: Catalogue, asked: Asked) -> Iterator[Measurement]:
    """Plan smoke runs, on the first suite that needs nothing and whose copies step as one.

    Learners hardly differ in what a run takes besides them, so one is enough to be quick.
    """
    suites = [each for each in catalogue.suites.values() if each.build_vector]
    home = next((each for each in suites if not each.requires), None)
    for name in catalogue.algorithms if home else ():
        assert home is not None
        yield Measurement("runs", name, f"{name} on {home.name}", [name, home.name, asked.device])
        if asked.quick and not asked.only:
            return


def results(catalogue: Catalogue, asked: Asked) -> Iterator[Measurement]:
    """Plan a folder of results."""
    finished, watched, seconds = ("25", "8", "3") if asked.quick else ("500", "64", "30")
    name = f"{finished} runs, {watched} watched"
    yield Measurement("results", "results", name, [finished, watched, seconds])


def measured(planned: Measurement) -> Row:
    """Measure in a process of its own with one thread: nothing of another is in it."""
    if planned.suite and (lack := missing(planned.suite)):
        return Row(planned.part, planned.name, {}, lack)
    # so that a long measurement is seen to go on
    print(f"marlbench: {planned.part}: {planned.name}", file=sys.stderr)
    done = child(planned.part, planned.arguments)
    if done.returncode:
        return Row(planned.part, planned.name, {}, last_line(done))
    return Row(planned.part, planned.name, json.loads(done.stdout.splitlines()[-1]))


def machine(device: str) -> dict[str, str]:
    """Ask a process, which may load torch for it; raises UserError where there is no GPU."""
    done = child("machine", [device])
    if done.returncode:
        raise UserError(last_line(done))
    said: dict[str, str] = json.loads(done.stdout)
    return said


def child(part: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a module of the bench in a process of its own with one thread."""
    command = [sys.executable, "-P", "-m", f"marlbench.bench.{part}", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Give what a child that failed said last."""
    return (done.stderr.strip().splitlines() or ["it died"])[-1]


def table(title: str, rows: list[Row]) -> Table:
    """Lay rows out, a column per figure; what could not be measured says why behind its name."""
    from rich.table import Table

    heads = list(dict.fromkeys(head for row in rows for head in row.figures))
    drawing = Table("", title=title, title_justify="left")
    for head in heads:
        drawing.add_column(head, justify="right")
    for row in rows:
        name = f"{row.name}: {row.error}" if row.error else row.name
        drawing.add_row(name, *(in_words(row.figures.get(head)) for head in heads))
    return drawing


def in_words(figure: float | None) -> str:
    """Give a figure in three digits, a whole number in full.

    >>> in_words(0.0123456), in_words(3590), in_words(1234.5)
    ('0.0123', '3,590', '1,234')
    """
    if figure is None:
        return ""
    return f"{figure:,.0f}" if figure >= 100 or figure == int(figure) else f"{figure:.3g}"


def drawn(drawing: Table) -> Iterator[str]:
    """Give the lines of a table, as wide as the terminal, or as it needs in a file."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    with console.capture() as capture:
        console.print(drawing)
    yield from capture.get().splitlines()
