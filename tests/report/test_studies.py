"""A study's figures: runs are found by their settings and averaged over tasks that all have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from marlbench.report import Wanted, studied, write
from marlbench.report.selection import material
from marlbench.report.studies import Chart, charts
from marlbench.studies import Study, StudyFigure, Variant
from tests.report.conftest import Record

STUDY = Study(
    "parts",
    "what it rests on",
    {
        "Whole": Variant("dream"),
        "Blind": Variant("dream", {"critic": "mlp"}),
        "h 4": Variant("dream", {"horizon": 4}),
        "h 8": Variant("dream", {"horizon": 8}),
    },
    (
        StudyFigure("Parts", ("Whole", "Blind")),
        StudyFigure("Horizon", ("h 4", "h 8"), along="horizon"),
    ),
)
USUAL = {"critic": "transformer", "horizon": 8}


@pytest.fixture
def both(record: Record) -> None:
    """The whole and one without a part, on two tasks, and another horizon on one of them."""
    for task, by in (("skirmish/3v3", 0.0), ("skirmish/5v6", 0.2)):
        for seed in range(2):
            more = {"task": task, "metric": "win", "algorithm": "dream"}
            record("dream", seed, [0.0, 0.6 + 0.2 * seed - by], config=USUAL, **more)
            blind = {"config": USUAL | {"critic": "mlp"}, "changes": {"critic": "mlp"}}
            record("dream-critic=mlp", seed, [0.0, 0.4 - by], **blind, **more)
            if not by:
                short = {"config": USUAL | {"horizon": 4}, "changes": {"horizon": 4}}
                record("dream-horizon=4", seed, [0.0, 0.5], **short, **more)


def charts_of(results: Path) -> list[Chart]:
    return list(charts(material([results], Wanted()).cells, STUDY))


@pytest.mark.usefixtures("both")
def test_a_line_is_the_mean_over_tasks_with_satterthwaites_interval(results: Path) -> None:
    parts, _ = charts_of(results)
    whole, blind = parts.lines
    assert (whole.name, blind.name) == ("Whole", "Blind")
    assert whole.x.tolist() == [0.0, 1000.0]
    assert whole.mean == pytest.approx([0.0, 60.0])  # of 70 and 50 percent
    assert blind.mean == pytest.approx([0.0, 30.0])
    variance = np.var([60, 80], ddof=1) / 2  # of a task's mean; the two tasks' are equal
    half = stats.t.ppf(0.975, 2) * np.sqrt(2 * variance) / 2  # 1 + 1 degrees of freedom
    assert whole.high[1] - whole.mean[1] == pytest.approx(half)
    assert whole.low[1] == pytest.approx(60 - half)
    assert "mean over 2 tasks (3v3, 5v6)" in parts.said


@pytest.mark.usefixtures("both")
def test_along_a_setting_there_is_a_line_for_each_task_that_has_two_places(results: Path) -> None:
    _, horizon = charts_of(results)
    (line,) = horizon.lines
    assert (line.name, horizon.x) == ("3v3", "horizon")
    assert line.x.tolist() == [4.0, 8.0]  # 8 is what the algorithm has by itself
    assert line.mean == pytest.approx([50.0, 70.0])


def test_a_run_with_a_further_setting_is_of_no_variant(results: Path, record: Record) -> None:
    record("dream", 0, [0.0, 1.0], config=USUAL)
    other = {"config": USUAL | {"critic": "mlp", "horizon": 2}}
    record("dream-x", 0, [0.0, 1.0], changes={"critic": "mlp", "horizon": 2}, **other)
    assert charts_of(results) == []


def test_runs_of_different_presets_are_not_put_together(results: Path, record: Record) -> None:
    blind = {"config": USUAL | {"critic": "mlp"}, "changes": {"critic": "mlp"}}
    record("dream-quick", 0, [0.0, 1.0], algorithm="dream", config=USUAL, presets=("quick",))
    record("dream-critic=mlp", 0, [0.0, 1.0], algorithm="dream", presets=("paper",), **blind)
    assert charts_of(results) == []
    record("dream", 0, [0.0, 1.0], algorithm="dream", config=USUAL, presets=("paper",))
    (chart,) = charts_of(results)
    assert [line.name for line in chart.lines] == ["Whole", "Blind"]


def test_tasks_of_different_metrics_are_averaged_between_their_bounds(
    results: Path, record: Record
) -> None:
    for metric, task in (("win", "skirmish/3v3"), ("return", "skirmish/pay")):
        for label, config, changes in (
            ("dream", USUAL, {}),
            ("dream-critic=mlp", USUAL | {"critic": "mlp"}, {"critic": "mlp"}),
        ):
            more = {"task": task, "metric": metric, "config": config, "changes": changes}
            record(label, 0, [0.0, 0.5], algorithm="dream", **more)
    assert charts_of(results) == []  # the return has no bounds


@pytest.mark.usefixtures("both")
def test_the_report_draws_them_and_leaves_out_what_is_not_there(results: Path) -> None:
    empty = Study("none", "nobody", {"Nobody": Variant("nobody")})
    paths = write(results, results / "report", studied([STUDY, empty]))
    page, text = paths.page.read_text(), paths.markdown.read_text()
    assert "<h2>Study: parts</h2>" in page
    assert "Study: none" not in page + text
    assert 'id="study-parts-0"' in page
    assert "| Whole | 60.0 [" in text
    assert [file.name for file in paths.files if "study" in file.name] == [
        "study-parts.png",
        "study-parts.pdf",
        "study-parts.svg",
    ]
    assert all(
        file.stat().st_size > 1000 for file in paths.files if file.suffix in (".png", ".pdf")
    )
