"""Runs that shared a machine are found by when they worked, and marked against wall-clock."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from marlbench.report import Wanted, write
from marlbench.report.evaluations import worked
from marlbench.report.machines import Crowd, at_once, crowd
from marlbench.report.selection import material
from tests.report.conftest import Record


def at(minute: int, attempt: int = 1) -> dict[str, Any]:
    """The wall of a row at this minute."""
    time = f"2026-01-01T10:{minute:02d}:00+00:00"
    return {"wall": {"time": time, "attempt": attempt, "seconds": 60.0 * minute}}


def test_a_run_worked_from_the_first_to_the_last_row_of_each_attempt() -> None:
    rows = [at(0), at(5), at(30, attempt=2), at(31, attempt=2), {"wall": {"seconds": 3.0}}]
    (first, second) = worked(rows)
    assert first[1] - first[0] == 300.0
    assert second[0] - first[0] == 1800.0
    assert second[1] - second[0] == 60.0


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        ([(0.0, 10.0)], [1]),
        ([(0.0, 10.0), (10.0, 20.0)], [1, 1]),
        ([(0.0, 10.0), (0.0, 10.0), (9.0, 12.0)], [3, 3, 3]),
        ([(0.0, 10.0), (1.0, 2.0), (3.0, 4.0)], [2, 2, 2]),
    ],
)
def test_how_many_were_under_way_at_once(
    stretches: list[tuple[float, float]], expected: list[int]
) -> None:
    assert at_once(stretches) == expected


def worked_at(folder: Path, host: str, minutes: tuple[int, int], gpu: str | None = None) -> None:
    """Let a recorded run have worked on a host, and a GPU, between two minutes."""
    made = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps(made | {"host": host, "gpu": gpu}))
    rows = [json.loads(line) for line in (folder / "eval.jsonl").read_text().splitlines()]
    for row, minute in zip(rows, minutes, strict=True):
        row["wall"] |= at(minute)["wall"]
    (folder / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_labels_that_shared_a_machine_are_marked_against_wall_clock(
    results: Path, record: Record
) -> None:
    worked_at(record("qmix", 0, [0.0, 1.0]), "a", (0, 10))
    worked_at(record("mappo", 0, [0.0, 1.0]), "a", (5, 15))
    worked_at(record("mat", 0, [0.0, 1.0]), "b", (5, 15))
    worked_at(record("mat", 1, [0.0, 1.0]), "b", (16, 20))
    found = crowd(material([results], Wanted()).cells)
    assert {(at.parent.name, at.name): beside for at, beside in found.items()} == {
        ("qmix", "seed_0"): Crowd(machine=2),
        ("mappo", "seed_0"): Crowd(machine=2),
        ("mat", "seed_0"): Crowd(),
        ("mat", "seed_1"): Crowd(),
    }
    page = write(results, results / "report").page.read_text()
    clock = page.split('id="curves-clock-0"')[1].split("</figure>")[0]
    steps = page.split('id="curves-steps-0"')[1].split("</figure>")[0]
    assert "qmix ∥</text>" in clock
    assert "mat</text>" in clock
    assert "up to 2 at once" in clock
    assert "∥" not in steps


def test_labels_that_shared_a_gpu_are_marked_otherwise(results: Path, record: Record) -> None:
    worked_at(record("qmix", 0, [0.0, 1.0]), "a", (0, 10), "GPU-1")
    worked_at(record("mappo", 0, [0.0, 1.0]), "a", (5, 15), "GPU-1")
    worked_at(record("mat", 0, [0.0, 1.0]), "a", (5, 15), "GPU-2")
    worked_at(record("mat", 1, [0.0, 1.0]), "b", (5, 15), "GPU-3")
    page = write(results, results / "report").page.read_text()
    clock = page.split('id="curves-clock-0"')[1].split("</figure>")[0]
    assert "qmix ∥∥</text>" in clock
    assert "mappo ∥∥</text>" in clock
    assert "mat ∥</text>" in clock
    assert (
        "∥: runs that shared their machine, up to 3 at once; ∥∥: their GPU too, up to 2 at once"
    ) in clock
    times = re.findall(r">(\d+ s[^<]*)<", page.split(">Runs<")[1])
    assert [time.partition(" s")[2] for time in times] == [" ∥∥", " ∥", "", " ∥∥"]


def test_where_nobody_shared_nothing_is_said(results: Path, record: Record) -> None:
    worked_at(record("qmix", 0, [0.0, 1.0]), "a", (0, 10))
    assert "∥" not in write(results, results / "report").page.read_text()
