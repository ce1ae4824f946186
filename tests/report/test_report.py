"""Reports say exactly what the files say: values by hand, and everything that is missing."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from marlbench.metrics import Metric
from marlbench.report import Part, ReportError, Section, write
from marlbench.report.columns import columns
from marlbench.report.curves import draw
from marlbench.report.scores import cells, read_runs

Record = Callable[..., Path]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_cell_is_mean_and_sample_std_over_seeds_of_the_last_evaluation(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [99.0, 1.0, 3.0])
    record("qmix", 1, [99.0, 5.0, 5.0])
    record("qmix", 2, [99.0, 5.0, 7.0])
    paths = write(results, results / "report")
    (row,) = rows_of(results / "report" / "table.csv")
    assert float(row["mean"]) == 5.0
    assert float(row["std"]) == 2.0  # ((3-5)^2 + 0 + (7-5)^2) / (3 - 1) = 4
    assert row["ddof"] == "1"
    assert row["value"] == "the mean of the last evaluation, a point of the curve like any other"
    assert "| 5.00 (2.00) |" in paths.markdown.read_text()
    assert "n = 3 everywhere" in paths.markdown.read_text()
    assert "& 5.00 (2.00)" in (results / "report" / "table.tex").read_text()
    # Student's t with two degrees of freedom, 4.3027, times 2 / sqrt(3)
    assert float(row["high"]) - 5.0 == pytest.approx(4.9683, rel=1e-4)


def test_a_final_evaluation_is_a_runs_value_and_no_point_of_its_curve(
    results: Path, record: Record
) -> None:
    rows = record("qmix", 0, [1.0, 2.0, 3.0]) / "eval.jsonl"
    last = json.loads(rows.read_text().splitlines()[-1])
    final = last | {"kind": "final", "metrics": {"return": 8.0}, "values": {"return": [6.0, 10.0]}}
    with rows.open("a") as file:
        file.write(json.dumps(final) + "\n")
    (run,) = read_runs(results)
    assert run.curves["return"].values.tolist() == [1.0, 2.0, 3.0]
    assert run.values["return"].mean == 8.0
    assert run.values["return"].episodes.tolist() == [6.0, 10.0]
    assert run.finished
    text = write(results, results / "report").markdown.read_text()
    assert "A run's value is the mean of the final evaluation: fresh episodes" in text


def test_a_task_scored_by_wins_is_shown_in_percent(results: Path, record: Record) -> None:
    for seed, value in enumerate([0.25, 0.75]):
        record("qmix", seed, [value] * 5, metric="win")
    text = write(results, results / "report").markdown.read_text()
    assert "| skirmish, win % | 3m | 50.0 (35.4) |" in text  # std: 25 * sqrt(2)
    (row,) = rows_of(results / "report" / "table.csv")
    assert float(row["win_mean"]) == 50.0
    assert float(row["return_mean"]) == 5.0


def test_a_metric_of_a_third_party_is_shown_as_it_is_declared(
    results: Path, record: Record
) -> None:
    delivered = Metric("delivered", "deliveries", info="delivered", digits=1, unit="per hour")
    for seed, value in enumerate([2.0, 4.0]):
        record("qmix", seed, [value] * 5, metric=delivered)
    text = write(results, results / "report").markdown.read_text()
    assert "| skirmish, delivered per hour | 3m | 3.0 (1.4) |" in text
    (row,) = rows_of(results / "report" / "table.csv")
    assert (row["metric"], float(row["delivered_mean"])) == ("delivered per hour", 3.0)
    assert "return_mean" not in row
    (axis,) = draw(cells(read_runs(results))).axes
    assert axis.get_ylabel() == "deliveries (per hour)"


def test_one_seed_has_no_std(results: Path, record: Record) -> None:
    record("qmix", 0, [1.0] * 5)
    assert "| 1.00 (—) |" in write(results, results / "report").markdown.read_text()
    (row,) = rows_of(results / "report" / "table.csv")
    assert row["std"] == ""


def test_unfinished_and_failed_seeds_are_shown_but_not_counted(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [1.0] * 11)
    record("qmix", 1, [50.0] * 4, ended="no")
    record("qmix", 2, [70.0] * 3, ended="failed")
    text = write(results, results / "report").markdown.read_text()
    assert "| 1.00 (—) 1/3, 1 failed |" in text
    assert "skirmish/3m, qmix: seed 1 unfinished at 3000 of 10000 env steps." in text
    assert "seed 2 failed at 2000 of 10000 env steps (the loss is not finite)." in text
    assert "A seed that failed or diverged is drawn thin and dotted" in text
    runs = rows_of(results / "report" / "runs.csv")
    assert [run["counted"] for run in runs] == ["True", "False", "False"]
    assert [run["reached"] for run in runs] == ["10000", "3000", "2000"]


def test_a_run_whose_rows_are_cut_short_is_not_counted_though_it_is_done(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [1.0] * 5)
    rows = record("qmix", 1, [9.0] * 5) / "eval.jsonl"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:3]))
    text = write(results, results / "report").markdown.read_text()
    assert "| 1.00 (—) 1/2 |" in text
    assert "qmix: seed 1 is done, but its rows end at 2000 of 4000 env steps" in text


def test_a_label_without_a_finished_run_has_no_number(results: Path, record: Record) -> None:
    record("qmix", 0, [1.0] * 3, ended="no")
    assert "| — 0/1 |" in write(results, results / "report").markdown.read_text()


def test_runs_without_any_evaluation_are_reported_without_a_figure(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [], ended="no")
    paths = write(results, results / "report")
    assert "No run has been evaluated yet." in paths.markdown.read_text()
    assert not (results / "report" / "curves.png").exists()


def test_evaluations_without_a_scored_episode_are_left_out(results: Path, record: Record) -> None:
    record("qmix", 0, [7.0, 1.0, None, 1.0])
    record("qmix", 1, [7.0, 1.0, 1.0, None])
    text = write(results, results / "report").markdown.read_text()
    (row,) = rows_of(results / "report" / "table.csv")
    assert (float(row["mean"]), row["seeds_finished"], row["seeds"]) == (1.0, "1", "2")
    assert "qmix: seeds 0-1 with 2 evaluations without a scored episode." in text
    assert "qmix: seed 1 finished without a scored last evaluation." in text


def test_crashed_episodes_are_told(results: Path, record: Record) -> None:
    record("qmix", 0, [1.0] * 5)
    record("qmix", 1, [1.0] * 5, crashed=2)
    text = write(results, results / "report").markdown.read_text()
    assert "qmix: seed 1 with 10 crashed episodes that are not scored." in text


def test_a_run_with_many_crashed_episodes_is_not_counted_and_says_why(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [1.0] * 5)
    record("qmix", 1, [3.0] * 5, crashed=1)  # 1 of 33 episodes
    record("qmix", 2, [9.0] * 5, crashed=2)  # 2 of 34, which is more than 5 %
    text = write(results, results / "report").markdown.read_text()
    (row,) = rows_of(results / "report" / "table.csv")
    assert (float(row["mean"]), row["seeds_finished"]) == (2.0, "2")
    assert "seed 2 is not counted: 10 of 170 evaluation episodes crashed, more than 5%" in text
    assert "seed 1 is not counted" not in text


def test_cuts_and_what_no_seed_decides_are_told(results: Path, record: Record) -> None:
    for seed in range(3):
        folder = record("qmix", seed, [1.0, 2.0])
        if seed == 1:
            *rows, last = (folder / "eval.jsonl").read_text().splitlines()
            marked = json.dumps(json.loads(last) | {"cut": 3})
            (folder / "eval.jsonl").write_text("\n".join([*rows, marked, ""]))
        if seed == 2:
            (folder / "events.jsonl").write_text('{"event": "not_reproducible"}\n')
    text = write(results, results / "report").markdown.read_text()
    assert "qmix: seed 1: 3 of 64 evaluation episodes cut at" in text
    assert "qmix: seed 2: not reproducible" in text
    assert "seed 0: " not in text


def test_crashes_in_training_are_told(results: Path, record: Record) -> None:
    for seed, crashes in enumerate((["training"] * 3, ["evaluation"], [], ["training"])):
        folder = record("qmix", seed, [1.0] * 5)
        events = [{"event": "env_crash", "during": during} for during in crashes]
        (folder / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in events))
    text = write(results, results / "report").markdown.read_text()
    assert "qmix: seeds 0, 3 with 4 crashes of the environment in training." in text


def test_rows_are_grouped_by_suite_and_columns_by_kind_in_the_declared_order(
    results: Path, record: Record
) -> None:
    places = {"a": (True, 20), "b": (False, 20), "c": (True, 10), "d": (False, 10)}
    for label, (model_based, position) in places.items():
        shown = {"title": label.upper(), "model_based": model_based, "position": position}
        record(label, 0, [1.0, 1.0], appearance=shown)
    record("a", 0, [2.0, 2.0], task="mpe/spread", appearance={"title": "A", "model_based": True})
    record("b", 0, [2.0, 2.0], task="mpe/tag_10")
    record("b", 0, [3.0, 3.0], task="mpe/tag_9")
    lines = write(results, results / "report").markdown.read_text().splitlines()
    assert "| benchmark | task | Model-free |  | Model-based |  |" in lines
    assert "|  |  | **D** | **B** | **C** | **A** |" in lines
    table = [line for line in lines if line.startswith("| ") and "**" not in line][2:]
    assert [line.split(" | ")[:2] for line in table] == [
        ["| mpe, return", "spread"],
        ["| ", "tag\\_9"],
        ["| ", "tag\\_10"],
        ["| skirmish, return", "3m"],
    ]


def test_the_best_is_bold_by_test_and_ties_are_too(results: Path, record: Record) -> None:
    values = [(9.0, 9.5, 1.0), (10.0, 10.2, 1.1), (11.0, 10.9, 0.9)]
    for seed, (low, near, far) in enumerate(values):
        record("good", seed, [0.0, low])
        record("equal", seed, [0.0, near])
        record("bad", seed, [0.0, far])
    paths = write(results, results / "report")
    text = paths.markdown.read_text()
    assert "| 1.00 (0.10) | **10.20 (0.70)** | **10.00 (1.00)** |" in text
    assert (
        r"& 1.00 (0.10) & \textbf{10.20 (0.70)} & \textbf{10.00 (1.00)} \\"
        in (results / "report" / "table.tex").read_text()
    )
    best = {row["label"]: row["best"] for row in rows_of(results / "report" / "table.csv")}
    assert best == {"good": "True", "equal": "True", "bad": "False"}


def test_the_best_of_a_metric_that_is_better_lower_is_the_lowest(
    results: Path, record: Record
) -> None:
    cost = Metric("cost", higher_is_better=False, bounds=(10.0, 0.0))
    for seed in range(3):
        record("cheap", seed, [9.0, 1.0 + seed / 10], metric=cost)
        record("dear", seed, [9.0, 8.0 + seed / 10], metric=cost)
    rows = rows_of(write(results, results / "report").files[2])
    assert {row["label"]: row["best"] for row in rows} == {"cheap": "True", "dear": "False"}
    assert {row["label"]: row["steps_to_75"] for row in rows} == {"cheap": "1000.0", "dear": ""}


def test_where_every_episode_was_won_the_bound_of_the_episodes_stands(
    results: Path, record: Record
) -> None:
    for seed in range(3):
        rows = record("qmix", seed, [0.0, 1.0], metric="win") / "eval.jsonl"
        played = [json.loads(line) for line in rows.read_text().splitlines()]
        played[-1]["values"] = {"win": [1.0] * 32}
        rows.write_text("".join(json.dumps(row) + "\n" for row in played))
    text = write(results, results / "report").markdown.read_text()
    assert "| 100.0 (≥ 96.9) |" in text  # 1 - 0.05^(1/96) = 3.07 %


def test_the_execution_is_a_mark_with_its_legend(results: Path, record: Record) -> None:
    made = record("mat", 0, [1.0, 1.0]) / "provenance.json"
    made.write_text(made.read_text().replace("decentralised", "centralised"))
    record("qmix", 0, [1.0, 1.0])
    text = write(results, results / "report").markdown.read_text()
    assert "| **mat**‡ | **qmix** |" in text
    assert "‡ centralised: an agent's action depends on everything." in text
    assert "§" not in text


def test_who_is_told_its_index_is_said_and_another_setting_is_another_row(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [0.0, 1.0], agent_index="told")
    record("mappo", 0, [0.0, 1.0], agent_index="hidden")
    said = write(results, results / "out").markdown.read_text()
    assert "Are agents told which of the team they are? told: qmix; not told: mappo." in said
    record("mappo", 0, [0.0, 2.0], agent_index="told", run={"agent_index": "always"})
    said = write(results, results / "out").markdown.read_text()
    assert "3m [run.agent_index=always]" in said.replace("\\", "")
    assert "Where run.agent_index is as its paper: told: qmix; not told: mappo." in said
    assert "Where run.agent_index is always: told: mappo." in said


def test_names_say_what_makes_variants_differ(results: Path, record: Record) -> None:
    shown = {"algorithm": "mappo", "appearance": {"title": "MAPPO"}}
    record("mappo", 0, [1.0, 1.0], **shown)
    (column,) = columns(cells(read_runs(results)))
    assert column.name == "MAPPO"
    spec = record("mappo-gamma=0.9", 0, [1.0, 1.0], **shown) / "spec.json"
    document = json.loads(spec.read_text()) | {"algorithm_changes": {"gamma": 0.9}}
    spec.write_text(json.dumps(document))
    names = [each.name for each in columns(cells(read_runs(results)))]
    assert names == ["MAPPO", "MAPPO (gamma=0.9)"]
    named = columns(cells(read_runs(results)), {"mappo-gamma=0.9": "Ours"})
    assert [each.name for each in named] == ["MAPPO", "Ours"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"values": [2.0] * 7}, "run.steps is 4000 (qmix seed 0), 6000 (qmix seed 1)"),
        (
            {"run": {"evaluation": {"every": 1000, "episodes": 4}}},
            "run.evaluation.episodes is 32 (qmix seed 0), 4 (qmix seed 1)",
        ),
        ({"simulator": "skirmish 2"}, "simulator is skirmish 1 (qmix seed 0), skirmish 2"),
        ({"config": {"gamma": 0.9}}, ""),
    ],
)
def test_runs_that_do_not_compare_are_marked(
    results: Path, record: Record, change: dict[str, object], said: str
) -> None:
    record("qmix", 0, [1.0] * 5)
    record("qmix", 1, **{"values": [2.0] * 5} | change)
    text = write(results, results / "report").markdown.read_text()
    assert said in text
    assert ("| 3m † |" in text) == bool(said)  # a key that only one run has is no clash


def test_settings_of_the_algorithm_may_differ_between_labels_but_not_within_one(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [1.0] * 5, config={"gamma": 0.9})
    record("qmix+x", 0, [1.0] * 5, config={"gamma": 0.8})
    assert "†" not in write(results, results / "report").markdown.read_text()
    record("qmix", 1, [1.0] * 5, config={"gamma": 0.7})
    text = write(results, results / "report").markdown.read_text()
    assert "algorithm.gamma is 0.9 (qmix seed 0), 0.7 (qmix seed 1)" in text


def test_machine_settings_do_not_matter(results: Path, record: Record) -> None:
    record("qmix", 0, [1.0] * 5, run={"steps": 10_000, "threads": 1})
    record("qmix", 1, [1.0] * 5, run={"steps": 10_000, "threads": 4, "device": "cpu"})
    text = write(results, results / "report").markdown.read_text()
    assert "†" not in text


def test_no_runs_is_one_clear_line(results: Path) -> None:
    with pytest.raises(ReportError, match=r"^no runs under .*results: start some with") as caught:
        write(results, results / "report")
    assert "\n" not in str(caught.value)


def test_an_out_folder_that_is_a_file_is_one_clear_line(
    results: Path, record: Record, tmp_path: Path
) -> None:
    record("qmix", 0, [1.0])
    (tmp_path / "taken").write_text("")
    with pytest.raises(ReportError, match=r"cannot write to .*taken .*choose another --out"):
        write(results, tmp_path / "taken")


def test_a_third_partys_section_is_on_the_page_and_its_failure_costs_nothing(
    results: Path, record: Record
) -> None:
    record("qmix", 0, [1.0] * 5)

    def broken(*_: object) -> Part:
        raise ZeroDivisionError("no seeds")

    sections = [Section("Count", lambda m, _: Part(f"{len(m.cells)} cell")), Section("Bad", broken)]
    text = write(results, results / "report", sections).markdown.read_text()
    assert "## Count\n\n1 cell\n" in text
    assert "## Bad\n\nThis section failed: `ZeroDivisionError: no seeds`" in text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "TypeError: it gave None, not a marlbench.report.Part"),
        ("three", "TypeError: it gave 'three', not a marlbench.report.Part"),
        (Part(None), "TypeError: the markdown of its Part is None, not text"),  # type: ignore[arg-type]
        (Part("x", None), "TypeError: the files of its Part are None, not a tuple of paths"),  # type: ignore[arg-type]
        (Part("x", ("a.md",)), "TypeError: the files of its Part are ('a.md',), not"),  # type: ignore[arg-type]
        (SystemExit("no"), "SystemExit: no"),
        (ValueError("two\n\nlines"), "ValueError: two lines"),
    ],
)
def test_a_section_that_gives_the_wrong_thing_costs_its_own_part_alone(
    results: Path, record: Record, given: object, said: str
) -> None:
    record("qmix", 0, [1.0] * 5)

    def render(*_: object) -> Any:
        if isinstance(given, BaseException):
            raise given
        return given

    sections = [Section("Bad", render), Section("Good", lambda *_: Part("well"))]
    text = write(results, results / "report", sections).markdown.read_text()
    assert "## Results\n" in text
    assert f"## Bad\n\nThis section failed: `{said}" in text
    assert text.endswith("## Good\n\nwell\n")


def test_every_named_file_is_there_and_pictures_are_sharp(results: Path, record: Record) -> None:
    record("qmix", 0, [1.0, 2.0, 3.0])
    paths = write(results, results / "report")
    assert {path.name for path in paths.files} == {
        *("table.md", "table.tex", "table.csv", "runs.csv"),
        *("curves.png", "curves.pdf", "curves.svg"),
    }
    assert all(path.stat().st_size > 0 for path in paths.files)
    with Image.open(results / "report" / "curves.png") as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)  # PNG stores dots per metre


ODD = r"q_mix & 50% $x^2$ {a}|<b>*~#\ _"


def test_odd_characters_are_literal_everywhere(results: Path, record: Record) -> None:
    record(ODD, 0, [1.0] * 5)
    record("_hidden", 0, [2.0] * 5)
    text = write(results, results / "report").markdown.read_text()
    assert r"**q\_mix & 50% \$x^2\$ {a}\|\<b\>\*~\#\\ \_**" in text
    assert {row["label"] for row in rows_of(results / "report" / "table.csv")} == {ODD, "_hidden"}


def test_latex_is_well_formed(results: Path, record: Record) -> None:
    for label in [ODD, *(f"label_{k}" for k in range(8))]:
        record(label, 0, [1.0] * 5)
    write(results, results / "report")
    tex = (results / "report" / "table.tex").read_text()
    begun = re.findall(r"\\begin\{(\w+)\}", tex)
    assert sorted(begun) == sorted(re.findall(r"\\end\{(\w+)\}", tex)) != []
    bare = re.sub(r"\\.", "", tex)
    assert bare.count("{") == bare.count("}")


GREEK = "\N{GREEK SMALL LETTER GAMMA}=0.9 Ω ≥1 \N{EN DASH} “a” 中 é ő"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles_and_fits_a_text_width_of_5_5_inches(
    results: Path, record: Record, tmp_path: Path
) -> None:
    tasks = ("lbf/Foraging-5x5-2p-1f-coop", "meltingpot/commons_harvest__open", "x/" + "y" * 60)
    for seed in range(2):
        for task in tasks:
            for label in ("qmix", "mappo", "MAMBA", "a-very-long-label-of-somebody=0.001", "mat"):
                record(label, seed, [-1234.5 * (seed + 1)] * 5, task=task)
    record(ODD, 0, [1.0] * 5)
    record(GREEK, 0, [1.0] * 5)
    record("qmix", 0, [1.0] * 5, run={"steps": 5})
    record("mat", 0, [100.0] * 5, ended="failed")
    write(results, results / "report")
    packages = (
        r"\usepackage[T1]{fontenc}\usepackage{booktabs}\usepackage[textwidth=5.5in]{geometry}"
    )
    tex = (results / "report" / "table.tex").read_text()
    page = rf"\documentclass{{article}}{packages}\begin{{document}}{tex}\end{{document}}"
    (tmp_path / "page.tex").write_text(page)
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-2000:]
    assert "Overfull \\hbox" not in said, said
