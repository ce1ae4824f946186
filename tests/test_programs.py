"""Programs behind pages run: their whole tables, with sizes so small that figures mean nothing."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from marlbench.host import load_catalogue
from marlbench.needs import missing

PROGRAMS = Path(__file__).parents[1] / "docs" / "programs"


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the programs importable."""
    monkeypatch.syspath_prepend(str(PROGRAMS))


def test_outcomes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import outcomes

    arguments = ["skirmish/3v3", "skirmish/gather44", "probe/counting", "--episodes", "3"]
    monkeypatch.setattr(sys, "argv", ["outcomes.py", *arguments])
    outcomes.main()
    battle, gathering, counting = capsys.readouterr().out.splitlines()
    assert battle.startswith("| `3v3` | 3 | 9 | ")
    assert "| charge: win % 100.00 (0.00), return 20.00 (0.00), length " in battle
    assert "| focus fire: " in battle
    assert "| nearest item: return " in gathering
    # episodes of seeds 0, 1, 2 have 3, 4, 5 steps and return 6, 10, 15; 0 and 2 end, 1 times out
    counted = "random: return 10.33 (2.60), length 4, real ends 0.667"
    assert counting == f"| `counting` | 2 | 3 | 3 | 2 | 7 | {counted} |"


@pytest.mark.slow
def test_views_of_melting_pot_are_drawn(tmp_path: Path) -> None:
    import meltingpot_views

    if lack := missing(load_catalogue().suite("meltingpot")):
        pytest.skip(lack)
    meltingpot_views.draw("coop_mining", tmp_path / "view.png")
    with Image.open(tmp_path / "view.png") as picture:
        assert picture.size == (1000, 370)  # in pixels, 100 an inch


def test_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    import intervals

    intervals.main(simulations=40, across=1)
    page = (PROGRAMS.parent / "benchmarks" / "intervals.md").read_text("utf-8")
    printed = capsys.readouterr().out
    assert table_names(printed) == table_names(page) != []
    mid, low, _ = (line.split("|") for line in printed.splitlines()[2:5])
    assert (mid[1].strip(), low[1].strip()) == tuple(list(intervals.CASES)[:2])
    # of 40 simulations: Student's t of a symmetric case holds 95 % of truths, 3 sd are 10 %
    assert min(map(int, mid[4].split())) >= 85


def table_names(page: str) -> list[list[str]]:
    """The first two cells of every row of a page's tables."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.split("|")[1:3]] for line in lines]


BY_STEP = (
    "skirmish-5v6",
    "skirmish-rand_5v5",
    "smax-2s3z",
    "foraging-8x8",
    "simple-spread-3",
    "dmawm-ablations",
)
"""The published folders whose means at every evaluation the page shows."""


@pytest.mark.parametrize("folder", BY_STEP)
def test_the_page_of_results_has_the_means_of_the_files_beside_it(
    folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import means_by_step

    results = PROGRAMS.parent / "results"
    monkeypatch.setattr(sys, "argv", ["means_by_step.py", str(results / folder)])
    means_by_step.main()
    page = (results / "README.md").read_text("utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", capsys.readouterr().out, re.M)
    assert tables
    assert [table for table in tables if table not in page] == []


def test_means_by_step_are_of_all_finished_seeds() -> None:
    import means_by_step

    folder = PROGRAMS.parent / "results" / "foraging-8x8"
    ((title, table),) = means_by_step.tables(folder)
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in table.splitlines()[2:]}
    task = folder / "lbf" / "Foraging-8x8-2p-2f-coop" / "dmawm-quick"
    lines = [
        json.loads(line)
        for path in sorted(task.glob("seed_*/eval.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    at = [row["metrics"]["return"] for row in lines if row["step"] == 7500]
    ends = [row for row in lines if row["kind"] == "final"]
    final = [row["metrics"]["return"] for row in ends]
    sampled = [row["sampled"]["metrics"]["return"] for row in ends]
    assert title == "lbf/Foraging-8x8-2p-2f-coop, return"
    assert (len(at), len(final), len(sampled)) == (3, 3, 3)
    first, *_, last, by_sampling = rows["DMAWM"][2:]
    assert rows["DMAWM"][1] == "3"
    assert [float(first), float(last), float(by_sampling.strip(" |"))] == pytest.approx(
        [sum(each) / 3 for each in (at, final, sampled)],
        abs=0.005,  # two digits are shown
    )
