"""Published numbers beside ours: agreement, difference, and every reason for neither."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marlbench.report import ReportError, against, write
from marlbench.report.against import Beside, beside
from marlbench.report.comparisons import Summary, welch_of_summaries
from marlbench.report.published import Source
from marlbench.report.scores import cells, read_runs

Record = Callable[..., Path]
TASK: dict[str, Any] = {
    "published": "three marines",
    "ours": "skirmish/3m",
    "metric": "win",
    "comparable": True,
    "scores": {"QMIX": [50.0, 10.0]},
}
SOURCE: dict[str, Any] = {
    "name": "Somebody",
    "group": "published",
    "source": "arXiv",
    "read": "from text",
    "statistic": "mean",
    "spread": "sd",
    "seeds": 4,
    "steps": 4000,
    "algorithms": {"QMIX": "qmix"},
    "tasks": [TASK],
}


def rows_of(results: Path, task: dict[str, Any] | None = None, **changed: Any) -> list[Beside]:
    source = Source.model_validate(SOURCE | {"tasks": [TASK | (task or {})]} | changed)
    return beside(cells(read_runs(results)), [source])


def verdict(results: Path, task: dict[str, Any] | None = None, **changed: Any) -> str:
    (row,) = rows_of(results, task, **changed)
    return row.verdict


@pytest.fixture
def three(record: Record) -> None:
    """Three seeds that won 40, 50 and 60 % of the time, 4000 env steps each."""
    for seed, value in enumerate([0.4, 0.5, 0.6]):
        record("qmix", seed, [value] * 5, metric="win")


@pytest.mark.usefixtures("three")
def test_agreement_has_its_interval_and_p(results: Path) -> None:
    (row,) = rows_of(results)
    golden = welch_of_summaries(Summary(50.0, 10.0, 3), Summary(50.0, 10.0, 4))
    assert row.ours == pytest.approx(Summary(50.0, 10.0, 3), rel=1e-12)  # percent of sums of tenths
    assert row.comparison is not None
    assert row.comparison.p == pytest.approx(1.0, abs=1e-12)
    assert (row.comparison.low, row.comparison.high) == pytest.approx((golden.low, golden.high))
    assert row.verdict.startswith("agrees within what seeds explain: +0.0 [-20")


@pytest.mark.usefixtures("three")
def test_a_difference_is_said_with_its_direction(results: Path) -> None:
    assert verdict(results, {"scores": {"QMIX": [97.0, 2.0]}}).startswith("ours is lower: -47.0 [")
    found = verdict(results, {"scores": {"QMIX": [1.0, 2.0]}})
    assert found.startswith("ours is higher: +49.0 [")
    assert "p = 0.0" in found


@pytest.mark.usefixtures("three")
def test_half_an_interval_is_turned_into_an_sd(results: Path) -> None:
    # 95 % interval of the mean of 4: half = t(3, 97.5 %) * sd / 2, with t = 3.1824 from tables
    (row,) = rows_of(results, {"scores": {"QMIX": [80.0, 3.182446 * 10 / 2]}}, spread="ci95")
    golden = welch_of_summaries(Summary(50.0, 10.0, 3), Summary(80.0, 10.0, 4))
    assert row.comparison is not None
    assert row.comparison.p == pytest.approx(golden.p, rel=1e-6)  # the table's digits


@pytest.mark.usefixtures("three")
def test_tests_of_one_report_are_corrected_together(results: Path) -> None:
    (alone,) = rows_of(results, {"scores": {"QMIX": [75.0, 2.0]}})
    tasks = [TASK | {"scores": {"QMIX": [score, 2.0]}} for score in (75.0, 50.0)]
    first, _ = rows_of(results, tasks=tasks)
    assert alone.comparison is not None
    assert first.comparison is not None
    assert alone.comparison.p is not None
    assert first.comparison.p == pytest.approx(2 * alone.comparison.p, rel=1e-12)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"statistic": "median"}, "their score is a median, not a mean"),
        ({"seeds": None}, "how many seeds theirs are is not said"),
        ({"spread": "unknown"}, "what their spread is, is not said"),
        ({"seeds": 2}, "2 of at least 3 seeds on a side"),
    ],
)
def test_no_test_is_made_of_half_a_summary(
    results: Path, changed: dict[str, Any], why: str
) -> None:
    assert verdict(results, **changed) == f"no test ({why}): +0.0"


def test_one_seed_of_ours_makes_no_test(results: Path, record: Record) -> None:
    record("qmix", 0, [0.7] * 5, metric="win")
    assert verdict(results) == "no test (1 of at least 3 seeds on a side): +20.0"


@pytest.mark.usefixtures("three")
def test_other_steps_and_what_the_source_says_do_not_compare(results: Path) -> None:
    assert verdict(results, steps=400_000) == (
        "not comparable: ours ran 4,000 env steps, theirs 400,000"
    )
    found = verdict(results, {"comparable": False, "why": "other rules", "steps": 5})
    assert found == "not comparable: other rules; ours ran 4,000 env steps, theirs 5"
    assert verdict(results, simulator="StarCraft II") == (
        "not comparable: theirs is StarCraft II, ours skirmish 1"
    )
    assert verdict(results, {"metric": "return"}).startswith("ours is lower: -45.00 [")


def test_a_metric_that_our_task_has_not_does_not_compare(results: Path, record: Record) -> None:
    record("qmix", 0, [1.0] * 5)
    assert verdict(results) == "not comparable: its runs have no win"


def test_settings_that_are_not_the_papers_do_not_compare(results: Path, record: Record) -> None:
    folder = record("qmix-quick", 0, [0.5] * 5, metric="win", algorithm="qmix")
    spec = folder / "spec.json"
    origins = (
        '"origins": {"algorithm.lr": "preset quick", "algorithm.gamma": "preset paper", '
        '"algorithm.batch": "preset quick", "suite.players": "--set", "run.steps": "--steps"}'
    )
    spec.write_text(spec.read_text().replace('"origins": {}', origins))
    assert verdict(results) == (
        "not comparable: settings that are not the paper's (suite.players, 2 of preset quick)"
    )


def test_what_is_not_finished_or_not_run_is_said(results: Path, record: Record) -> None:
    record("qmix", 0, [0.5] * 5, metric="win", ended="failed", run={"steps": 4000})
    assert verdict(results) == "not comparable: no seed is finished"
    none = {"QMIX": "mat"}
    assert verdict(results, algorithms=none) == "not comparable: it was not run here"
    assert verdict(results, algorithms={"QMIX": ""}) == (
        "not comparable: there is no such algorithm here"
    )
    assert rows_of(results, {"ours": "skirmish/5v5"}) == []


def test_the_report_puts_the_papers_table_beside_ours(results: Path, record: Record) -> None:
    for seed, value in enumerate([0.2, 0.3, 0.4]):  # 400 000 env steps each
        record("qmix", seed, [value] * 401, metric="win", task="smac/3s5z")
    page = write(results, results / "report", against(["paper"])).markdown.read_text()
    row = next(line for line in page.splitlines() if "| qmix | `qmix` |" in line)
    cell = "| `smac/3s5z`, 400,000 steps | qmix | `qmix` | 28.9 (8.8) | 30.0 (10.0) n = 3 | agrees"
    assert row.startswith(cell)
    assert "| mat | — | 2.7 (3.5) | — | not comparable: it was not run here |" in page
    assert "Not run here: smac/2c_vs_64zg, smac/25m" in page
    with (results / "report" / "against-paper.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    (ours,) = (row for row in table if row["label"])
    assert (ours["published"], ours["spread"], ours["ours_n"]) == ("28.9", "8.8", "3")
    assert float(ours["low"]) < float(ours["difference"]) < float(ours["high"])
    assert len(table) == 6


def test_where_no_task_is_shared_that_is_said(results: Path, record: Record) -> None:
    record("qmix", 0, [0.5] * 5)
    page = write(results, results / "report", against(["paper", "published"])).markdown.read_text()
    assert "Nothing can be compared with DMAWM, Table 1: its tasks are others (smac/2c" in page
    assert page.count("Nothing can be compared with") >= 10


def test_numbers_of_nobody_are_an_error_that_names_what_there_is() -> None:
    with pytest.raises(ReportError, match="nothing is published as 'papers': --against paper or"):
        against(["papers"])
