"""What tables and figures call a label, and where it stands: names for readers, not for folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from marlbench.report.scores import Cell, by_label

__all__ = ["MARKS", "Column", "columns", "kinds", "short"]

MARKS = {"communicating": "§", "centralised": "‡"}
"""Behind the name of an algorithm whose agents act on more than their own history."""
KINDS = {False: "Model-free", True: "Model-based", None: ""}
HASH = re.compile(r"[0-9a-f]{8}")
"""A label's end that does not spell what differs."""


@dataclass(frozen=True)
class Column:
    """One label, as readers see it."""

    label: str
    name: str
    """`MAPPO`, or `MAPPO (gamma=0.9)` where other variants are there or settings were changed."""
    kind: str
    """`Model-free`, `Model-based`, or empty where its runs do not say."""
    execution: str
    """What its agents act on; empty where its runs do not say."""

    @property
    def mark(self) -> str:
        """The sign of its execution; empty for `decentralised`."""
        return MARKS.get(self.execution, "")


def columns(cells: Sequence[Cell], names: Mapping[str, str] | None = None) -> tuple[Column, ...]:
    """Give a column per label in the order of tables; `names` says what users call some of them.

    Where two labels come to the same name, each has its label behind it.
    """
    own, given = by_label(cells), names or {}
    said = {label: given.get(label) or _name(cell, cells) for label, cell in own.items()}
    acting = {cell.label: cell.execution for cell in cells if cell.execution}
    count = list(said.values()).count
    return tuple(
        Column(
            label=label,
            name=said[label] if count(said[label]) == 1 else f"{said[label]} [{label}]",
            kind=KINDS[cell.appearance.model_based],
            execution=acting.get(label, ""),
        )
        for label, cell in own.items()
    )


def kinds(shown: Iterable[Column]) -> list[tuple[str, int]]:
    """Give the kinds of columns that stand side by side, each with how many they are."""
    found: list[tuple[str, int]] = []
    for column in shown:
        if found and found[-1][0] == column.kind:
            found[-1] = (column.kind, found[-1][1] + 1)
        else:
            found.append((column.kind, 1))
    return found


def _name(cell: Cell, cells: Sequence[Cell]) -> str:
    title = cell.appearance.title or cell.algorithm
    siblings = [each for each in cells if each.algorithm == cell.algorithm]
    variant = ", ".join(_variant(cell, siblings))
    return f"{title} ({variant})" if variant else title


def _variant(cell: Cell, siblings: Sequence[Cell]) -> Iterator[str]:
    """What makes a label another than its siblings: presets, settings, env steps."""
    spec = cell.runs[0].record.spec
    presets = {each.runs[0].record.spec.presets for each in siblings}
    if len(presets) > 1:
        yield "+".join(spec.presets) or "no preset"
    rest = cell.label.removeprefix(cell.algorithm)
    for preset in spec.presets:
        rest = rest.removeprefix(f"-{preset}")
    if spec.algorithm_changes and HASH.fullmatch(rest.strip("-")):
        yield from (f"{key}={value}" for key, value in spec.algorithm_changes.items())
    elif spec.algorithm_changes and rest.strip("-"):
        yield rest.strip("-")
    if len({each.steps for each in siblings if each.label != cell.label} | {cell.steps}) > 1:
        yield f"{short(cell.steps)} steps"


def short(steps: float) -> str:
    """Env steps in few letters.

    >>> short(4_000_000), short(30_000), short(2_500), short(600)
    ('4M', '30k', '2.5k', '600')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if steps >= size:
            return f"{steps / size:.3g}{letter}"
    return f"{steps:.3g}"
