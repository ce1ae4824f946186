"""`marlbench bench`: what learners and suites cost on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from marlbench.bench.machine import machine
from marlbench.errors import UserError
from marlbench.host import Catalogue
from marlbench.needs import missing

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["bench"]

PARTS = {"learners": "Learners (one thread)", "suites": "Suites, env steps a second"}


class Row(NamedTuple):
    """What was measured of one learner or suite."""

    part: str
    name: str
    figures: dict[str, float]
    error: str = ""


def bench(
    catalogue: Catalogue, only: list[str], quick: bool, device: str, as_json: bool
) -> Iterator[str]:
    """Give tables, or a JSON object; raises UserError for names and devices that are not there."""
    if device not in ("cpu", "cuda"):
        raise UserError(f"--device is cpu or cuda: got {device!r}")
    if device == "cuda" and not has_gpu():
        raise UserError("there is no GPU here that torch can use: --device cpu")
    known = [*catalogue.algorithms, *catalogue.suites]
    for name in only:
        if name not in known:
            raise UserError(f"no algorithm or suite is called {name!r} (marlbench list)")
    here = machine() | {"device": device}
    rows = list(measured(catalogue, only or known, quick, device))
    if as_json:
        yield json.dumps({"machine": here, "rows": [row._asdict() for row in rows]}, indent=2)
        return
    yield ", ".join(f"{what} {value}" for what, value in here.items())
    for part, title in PARTS.items():
        if of_part := [row for row in rows if row.part == part]:
            yield from drawn(table(title, of_part))


def measured(catalogue: Catalogue, names: Iterable[str], quick: bool, device: str) -> Iterator[Row]:
    """Measure one after the other, each in a process of its own: nothing of another is in it."""
    preset, updates = ("smoke", "2") if quick else ("quick", "5")
    seconds, copies = ("0.3", "1,8") if quick else ("3", "1,8,64")
    for name in names:
        print(f"marlbench: {name}", file=sys.stderr)  # so that a long measurement is seen to go on
        if name in catalogue.algorithms:
            yield child("learners", name, preset, device, updates)
        elif lack := missing(catalogue.suite(name)):
            yield Row("suites", name, {}, lack)
        else:
            yield child("suites", name, seconds, copies)


def child(part: str, name: str, *arguments: str) -> Row:
    """Measure in a process with one thread."""
    command = [sys.executable, "-P", "-m", f"marlbench.bench.{part}", name, *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return Row(part, name, {}, (done.stderr.strip().splitlines() or ["it died"])[-1])
    return Row(part, name, json.loads(done.stdout.splitlines()[-1]))


def has_gpu() -> bool:
    """Ask torch, which is loaded for it."""
    command = [sys.executable, "-c", "import torch; print(torch.cuda.is_available())"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() == "True"


def table(title: str, rows: list[Row]) -> Table:
    """Lay rows out, a column per figure; what could not be measured says why behind its name."""
    from rich.table import Table

    heads = next((list(row.figures) for row in rows if not row.error), [])
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

    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    with console.capture() as capture:
        console.print(drawing)
    yield from capture.get().splitlines()
