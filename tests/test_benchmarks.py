"""The benchmarks run: each one's whole table, with sizes so small that its figures mean nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from marlbench.host import load_catalogue
from marlbench.needs import missing

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
ACTING = ["policy step, 1 copies", "policy step, 8 copies"]
SUITES = [
    "skirmish",
    "mpe",
    pytest.param("smax", marks=pytest.mark.slow),  # is compiled first
    pytest.param("meltingpot", marks=pytest.mark.slow),  # takes seconds to begin an episode
]


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the benchmarks importable, and let none settle how this process keeps its memory."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr("timing.keep_freed_memory", lambda: True)


def rows(printed: str) -> list[str]:
    """Names of the rows of learners' tables, all of which say seconds."""
    table = [(line[:32].strip(), line[32:].split()) for line in printed.splitlines()]
    measured = [(name, cells) for name, cells in table if cells != ["cpu", "s", "wall", "s"]]
    assert [name for name, (_, wall) in measured if float(wall) <= 0] == []
    return [name for name, _ in measured]


def test_value_learning(capsys: pytest.CaptureFixture[str]) -> None:
    import value_learning

    value_learning.main(episodes=(2, 2), repeats=(1, 1), policy_steps=1)
    kinds = [f"{act}, {name} lengths" for name in ("mixed", "equal") for act in ("update", "draw")]
    assert rows(capsys.readouterr().out) == [*kinds, *ACTING] * 2


def test_on_policy(capsys: pytest.CaptureFixture[str]) -> None:
    import on_policy

    on_policy.main(rollout_steps=10, repeats=1, policy_steps=1)
    assert rows(capsys.readouterr().out) == ["update 8x10x5", *ACTING] * 2


def test_mamba(capsys: pytest.CaptureFixture[str]) -> None:
    import mamba
    from marlbench_mamba.config import PRESETS, MambaConfig

    smoke = MambaConfig(**PRESETS["smoke"] | {"num_envs": 1, "buffer": 400})
    mamba.main(smoke, repeats=1, policy_steps=1)
    updates = ["model update", "agent update", "of it imagination, returns"]
    assert rows(capsys.readouterr().out) == updates + ACTING


@pytest.mark.parametrize("name", SUITES)
def test_environments(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import environments

    suite = load_catalogue().suite(name)
    if lack := missing(suite):
        pytest.skip(lack)
    arguments = [name, "--copies", "1", "--seconds", "0.01"]
    monkeypatch.setattr(sys, "argv", ["environments.py", *arguments])
    environments.main()
    task, speed, first, reset, copy = capsys.readouterr().out.splitlines()[-1].split()
    assert task == f"{name}/{suite.default_task}"
    assert float(speed.replace(",", "")) > 0
    assert float(first) > 0
    assert float(reset) >= 0
    assert float(copy) >= 0


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
    page = (BENCHMARKS.parent / "docs" / "benchmarks" / "intervals.md").read_text("utf-8")
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
