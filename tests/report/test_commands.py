"""What users ask of reports on the command line: choosing, naming, excluding, comparing runs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from marlbench import cli
from marlbench.commands import report
from marlbench.commands.report import read_names
from marlbench.errors import UserError
from marlbench.host import load_catalogue
from marlbench.report import Wanted
from marlbench.store import Journal

Record = Callable[..., Path]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the command line in this process; exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["marlbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return run


def test_an_excluded_run_is_in_no_number_and_shown_with_its_reason(
    results: Path, record: Record, call: Call
) -> None:
    record("qmix", 0, [0.0, 1.0])
    odd = record("qmix", 1, [0.0, 98.76])
    code, out, _ = call("exclude", odd, "--why", "the simulator was patched", "--results", results)
    assert code == 0
    assert "seed_1 is left out of reports: the simulator was patched" in out
    assert call("report", "--results", results)[0] == 0
    for page in ("report.md", "report.html"):
        text = (results / "report" / page).read_text()
        assert "3m, qmix, seed 1 is excluded: the simulator was patched." in text
        assert "98.76" not in text
    assert call("exclude", odd, "--back", "--results", results)[0] == 0
    call("report", "--results", results)
    assert "49.88 (69.13)" in (results / "report" / "report.md").read_text()


def test_an_exclusion_needs_a_reason(results: Path, record: Record, call: Call) -> None:
    code, _, err = call("exclude", record("qmix", 0, [1.0, 1.0]), "--results", results)
    assert (code, err.count("\n")) == (2, 1)
    assert "--why says nothing" in err


def test_diff_shows_settings_packages_machine_and_code(
    results: Path, record: Record, call: Call
) -> None:
    one = record("a", 0, [1.0, 1.0], algorithm="qmix", config={"gamma": 0.9, "lr": 1})
    changed = {"config": {"gamma": 0.8, "lr": 1}, "versions": {"torch": "2.9"}}
    other = record("b", 0, [1.0, 1.0], algorithm="qmix", git={"commit": "c"}, **changed)
    code, out, _ = call("diff", one, other, "--results", results)
    assert code == 0
    assert out.splitlines()[2:] == [
        "settings:",
        "  qmix.gamma: 0.9 -> 0.8",
        "packages:",
        "  torch: (not there) -> 2.9",
        "code:",
        "  commit: (not there) -> c",
        "same machine",
    ]


def test_several_folders_are_one_report_but_no_run_counts_twice(
    results: Path, record: Record, call: Call, tmp_path: Path
) -> None:
    record("qmix", 0, [0.0, 1.0])
    (results / "skirmish").rename(tmp_path / "skirmish")
    (tmp_path / "there").mkdir()
    (tmp_path / "skirmish").rename(tmp_path / "there" / "skirmish")
    record("qmix", 1, [0.0, 3.0])
    both = ("--results", results, "--results", tmp_path / "there")
    assert call("report", *both)[0] == 0
    assert "2.00 (1.41)" in (results / "report" / "report.md").read_text()
    record("qmix", 0, [0.0, 1.0])
    code, _, err = call("report", *both)
    assert (code, err.count("\n")) == (2, 1)
    assert "are the same run: leave one out (marlbench exclude)" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--task", "5m"), "--task 5m: no run here has it, only 3m"),
        (("--algo", "qmx"), "--algo qmx: no run here has it, only qmix"),
        (("--metric", "wins"), "--metric wins: no run here has it, only return"),
        (("--name", "mat=MAT"), "--name mat: no run here has it, only qmix"),
        (("--name", "qmix"), "--name qmix: say LABEL=TEXT, such as mappo-quick=MAPPO"),
    ],
)
def test_what_no_run_has_is_one_line_with_what_there_is(
    results: Path, record: Record, call: Call, options: tuple[str, ...], said: str
) -> None:
    record("qmix", 0, [0.0, 1.0])
    code, _, err = call("report", "--results", results, *options)
    assert (code, err) == (2, f"marlbench: {said}\n")


def test_a_report_that_is_watched_is_written_once_where_nothing_runs(
    results: Path, record: Record, call: Call
) -> None:
    record("qmix", 0, [0.0, 1.0])
    code, out, _ = call("report", "--results", results, "--watch", "--name", "qmix=QMIX")
    assert code == 0
    assert out.count("report.html") == 1
    page = (results / "report" / "report.html").read_text()
    assert "http-equiv" not in page
    assert "QMIX" in page


def test_a_report_that_is_watched_follows_a_run_until_it_ends(
    results: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = record("qmix", 0, [0.0, 1.0], ended="unfinished")
    monkeypatch.setattr(report, "EVERY", 0.01)
    page = results / "report" / "report.html"
    worker = Journal(folder)  # holds the run, as its process does
    lines = report.watch_report(load_catalogue(), [results], None, Wanted())
    assert next(lines).endswith("report.html (again in 0.01 s; Ctrl-C ends)")
    assert 'http-equiv="refresh"' in page.read_text()
    assert "seed 0 running at" in page.read_text()
    worker.close()
    (folder / "DONE").write_text("{}")
    assert next(lines) == f"report: {page}"  # for the last time
    assert "http-equiv" not in page.read_text()


def test_labels_may_have_an_equals_sign() -> None:
    assert read_names(["qmix-gamma=0.9=Ours"]) == {"qmix-gamma=0.9": "Ours"}
    with pytest.raises(UserError):
        read_names(["=x"])


def test_the_reason_is_kept_beside_the_run(results: Path, record: Record, call: Call) -> None:
    folder = record("qmix", 0, [0.0, 1.0])
    call("exclude", folder, "--why", "  odd  ", "--results", results)
    assert json.loads((folder / "EXCLUDED").read_text())["why"] == "odd"


def test_the_recipe_for_what_runs_are_worth_gives_the_mean_over_seeds(
    results: Path,
    record: Record,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for seed, value in enumerate([1.0, 3.0]):
        rows = record("qmix", seed, [0.0, 9.0]) / "eval.jsonl"
        final = json.loads(rows.read_text().splitlines()[-1]) | {"kind": "final"}
        with rows.open("a") as file:
            file.write(json.dumps(final | {"metrics": {"return": value}}) + "\n")
    monkeypatch.chdir(results.parent)
    page = (Path(__file__).parents[2] / "results" / "README.md").read_text(encoding="utf-8")
    recipes = "".join(re.findall(r"```python\n(.*?)```", page, re.S))
    exec(recipes.split("# The curve")[0], {})
    assert capsys.readouterr().out.split()[-3:] == ["2.0", "1.414214", "2"]
