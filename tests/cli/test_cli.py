"""The command line: what is said, on which stream, with which exit code, and what is written."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from distributions import install

from marlbench.builtin import QUICK
from marlbench.installation import pip_install
from marlbench.store import runs
from tests.cli.conftest import Call

PROGRAM = [sys.executable, "-c", "from marlbench.cli import main; main()"]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that the default results folder is in it."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


SMALL = ["--suite", "probe", "--task", "two_step", "--preset", "smoke", "--set", "run.device=cpu"]


@pytest.mark.usefixtures("tiny", "empty")
def test_a_dry_run_shows_every_run_and_writes_nothing(call: Call, empty: Path) -> None:
    code, out, err = call("run", "--algo", "tiny", *SMALL, "--workers", "2", "--dry-run")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "2 runs of 600 env steps"
    assert "  copies   24 environments at once: a run trains in 8, evaluates in 4" in lines
    assert [line.split() for line in lines if line.startswith("  new")] == [
        ["new", "two_step", "tiny", "seed", "0"],
        ["new", "two_step", "tiny", "seed", "1"],
    ]
    assert list(empty.iterdir()) == []


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--algo", "tinny", *SMALL], "no plugin offers the algorithm 'tinny'; did you"),
        (["run", "--algo", ",", *SMALL], "--algo names nothing"),
        (["run", "--algo", "tiny", "--suite", "probe", "--preset", ""], "--preset names nothing"),
        (["run", "--algo", "tiny", "--suite", "probe", "--task", ""], "--task names nothing"),
        (["run", "--algo", "tiny", "--suite", "prob"], "did you mean 'probe'?"),
        (["run", "--algo", "tiny", "--suite", "probe", "--task", "x"], "has no task 'x'"),
        (["run", "--algo", "tiny", *SMALL, "--preset", "quik"], "did you mean 'quick'?"),
        (["run", "--algo", "tiny", *SMALL, "--set", "gian=1"], "did you mean 'gain'?"),
        (["run", "--algo", "tiny", *SMALL, "--set", "gain=x"], "cannot be 'x'; it is a number"),
        (["run", "--algo", "tiny", *SMALL, "--set", "gain"], "write key=value"),
        (["run", "--algo", "tiny", *SMALL, "--seeds", "0"], "no run without a seed"),
        (["run", "--algo", "tiny", *SMALL, "--seeds", "2", "--seed", "1"], "give one of the two"),
        (["run", "--algo", "tiny", *SMALL, "--steps", "0"], "--steps: run.steps cannot be 0"),
        (["run", "--algo", "tiny", *SMALL, "--config", "no.toml"], "no.toml: cannot be read"),
        (["run", "--algo", "tiny", *SMALL, "--label", "a b"], "--label a b: it is letters, digits"),
        (["run", "--algo", "tiny", *SMALL, "--executor", "locl"], "did you mean 'local'?"),
        (["run", "--algo", "tiny", *SMALL, "--workers", "0"], "--workers"),
        (["run", "--algo", "tiny", *SMALL, "--results", "/proc/no"], "cannot write to /proc"),
        (["run", "--algo", "tiny", *SMALL, "--results", "/dev/null"], "cannot write to /dev/null"),
        (["run", "--algo", "tiny", *SMALL, "--results", "x" * 300], "(File name too long)"),
        (["run", "--algo", "tiny", *SMALL, "--results", ""], "it names no folder"),
        (["run", "--algo", "tiny", *SMALL, "--seeds", "9" * 20], "takes 20,000 at most"),
        (["run", "--algo", "tiny", *SMALL, "--seeds", "1000000"], "takes 20,000 at most"),
        (["run", "--algo", "tiny", *SMALL, "--seed", "9" * 20], "a seed is less than"),
        (["report", "--results", ""], "it names no folder"),
        (["status", "--results", "x" * 300], "x: File name too long"),
        (["run", "--algo", "tiny"], "Missing option '--suite' (marlbench run --help)"),
        (["run", "--algo", "tiny", *SMALL, "--sedes", "1"], "No such option"),
        (["rum"], "No such command 'rum'"),
        (
            ["show", "qmx"],
            "an algorithm, suite, preset, study or executor 'qmx'; did you mean 'qmix'?",
        ),
        (["check", "skirmsh"], "did you mean 'skirmish'?"),
        (["check", "tiny", "--task", "2v2"], "--task is for suites"),
        (["check", "skirmish", "--task", "2v22"], "did you mean '2v2'?"),
        (["report", "--results", "nowhere"], "nowhere"),
        (["report", "--against", "papers"], "--against paper or published"),
    ],
)
def test_wrong_usage_is_one_line_with_exit_code_2_and_nothing_written(
    call: Call, empty: Path, arguments: list[str], said: str
) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("marlbench: ")
    assert err.count("\n") == 1
    assert said in err
    assert list(empty.iterdir()) == []


@pytest.mark.usefixtures("tiny")
def test_an_import_path_that_leads_nowhere_is_told_before_anything_is_written(
    call: Call, empty: Path
) -> None:
    pytest.importorskip("pettingzoo")
    code, out, err = call(
        "run", "--algo", "tiny", "--suite", "pettingzoo", "--task", "no.where:env"
    )
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "the suite 'pettingzoo' cannot build the task 'no.where:env'" in err
    assert list(empty.iterdir()) == []


def test_a_suite_whose_simulator_is_missing_is_told_with_its_extra(
    call: Call, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = '''"""A suite without its simulator."""
from marlbench.plugin import Suite, hookimpl

marlbench_api = 2


@hookimpl
def marlbench_suites():
    """Offer it."""
    return [Suite("far", ("a",), print, "a", extra="far", requires=("absent_thing",))]
'''
    install(tmp_path / "site", "acme", {"far": source})
    monkeypatch.syspath_prepend(tmp_path / "site")
    for arguments in (["run", "--algo", "qmix", "--suite", "far"], ["check", "far"]):
        code, _, err = call(*arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert f"needs absent_thing: {pip_install('far')}" in err
    assert f"far not installed: {pip_install('far')}" in " ".join(call("list")[1].split())
    assert list(empty.iterdir()) == []


def test_the_list_names_all_that_is_installed_and_all_that_is_broken(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", "acme", {"bad": "1 / 0"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    code, out, err = call("list")
    assert (code, err) == (0, "")
    for name in ("skirmish", "probe", "paper", "quick", "smoke", "local"):
        assert re.search(rf"^  {name} ", out, re.MULTILINE)
    assert "  bad (acme 1.0): ZeroDivisionError: division by zero" in out


BIG = '''"""Learners and suites with more than fits in a line."""
from marlbench.plugin import Algorithm, AlgorithmConfig, Suite, hookimpl

marlbench_api = 2
TASKS = tuple(f"a_task_{number}" for number in range(40))


class Needy(AlgorithmConfig):
    """Settings."""

    must: int
    """What the user knows [ours]."""


@hookimpl
def marlbench_algorithms():
    """Offer one that cannot do without being set."""
    return [Algorithm("needy", Needy, None, "decentralised")]


@hookimpl
def marlbench_suites():
    """Offer a closed and an open one, and one whose only task has a long name."""
    return [
        Suite("big", TASKS, print, TASKS[0], observes_images=lambda task, config: task != TASKS[0]),
        Suite("open", TASKS, print, TASKS[0], open_tasks=True),
        Suite("long", ("x" * 200, "y"), print, "y"),
    ]
'''


@pytest.fixture
def big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install suites of many tasks."""
    install(tmp_path / "site", "acme", {"big": BIG})
    monkeypatch.syspath_prepend(tmp_path / "site")


@pytest.mark.usefixtures("big")
def test_the_list_names_some_of_many_tasks_and_show_names_all(call: Call) -> None:
    lines = {line.split()[0]: line for line in call("list")[1].splitlines() if line.strip()}
    eight = ", ".join(f"a_task_{number}" for number in range(8))
    assert f"  40 tasks: {eight} ... and 32 more: marlbench show big  [acme 1.0]" in lines["big"]
    more = " ... and 32 more, or any that it can build: marlbench show open  "
    assert f"{eight}{more}" in lines["open"]
    assert f"  2 tasks: {'x' * 200} ... and 1 more: marlbench show long  " in lines["long"]
    assert "tasks: 3v3, 2v2, 5v5, 5v6" in lines["skirmish"]
    code, out, _ = call("show", "big")
    assert (code, max(map(len, out.splitlines())) <= 100) == (0, True)
    assert all(re.search(rf"\ba_task_{number}\b", out) for number in range(40))


@pytest.mark.usefixtures("big")
def test_a_setting_without_default_is_shown_as_one_that_must_be_set(call: Call) -> None:
    assert "needy.must = (none: must be set)\n    What the user" in call("show", "needy")[1]
    code, _, err = call("run", "--algo", "needy", *SMALL)
    assert (code, err.count("\n")) == (2, 1)
    assert "needy.must has no default: --set needy.must=... gives it" in err


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["run", "--help"], ["status"]])
def test_light_commands_leave_heavy_modules_alone(arguments: list[str], tmp_path: Path) -> None:
    code = f"""
import sys
sys.argv = ["marlbench", *{arguments!r}]
from marlbench.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = "torch numpy pandas matplotlib seaborn scipy rich".split()
sys.exit(" ".join(name for name in heavy if name in sys.modules))
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, "\n")  # sys.exit("") prints an empty line


@pytest.mark.usefixtures("tiny")
def test_show_gives_every_setting_with_sentence_source_and_preset(call: Call) -> None:
    code, out, _ = call("show", "tiny")
    assert code == 0
    assert "tiny.gain = 0.5   quick 0.25\n    Nothing, but a setting [ours]; a number" in out
    assert "tiny.num_envs = 8\n" in out
    assert call("show", "moody")[1].count("moody.mood = raise") == 1


def test_show_knows_suites_presets_and_the_host(call: Call) -> None:
    assert "tasks 3v3, 2v2" in call("show", "skirmish")[1]
    assert "run.steps = 600" in call("show", "smoke")[1]
    quick = QUICK.run["steps"]
    assert f"run.steps = 400000   quick {quick}   smoke 600" in call("show", "run")[1]


def test_help_and_version(call: Call) -> None:
    assert call()[1] == call("--help")[1]
    assert re.fullmatch(r"marlbench \d+\.\d+\.\d+\n", call("--version")[1])


def test_status_of_nothing_says_so(call: Call, empty: Path) -> None:
    assert call("status") == (
        0,
        "there is no folder results: marlbench run makes it, --results names another\n",
        "",
    )
    (empty / "results").mkdir()
    assert call("status")[1] == "no runs in results yet: marlbench run --help\n"


@pytest.mark.usefixtures("tiny")
def test_a_grid_runs_fails_in_part_and_goes_on_by_the_same_command(call: Call, empty: Path) -> None:
    command = ["run", "--algo", "tiny,moody", *SMALL, "--seeds", "1", "--steps", "96"]
    code, out, err = call(*command, "--set", "num_envs=2")
    assert (code, err) == (1, "")
    assert "2 runs of 96 env steps" in out
    assert "failed: ValueError: the mood is bad" in out
    assert re.search(
        r"  done +two_step tiny-num_envs=2 seed 0 +took \d+ s, return \d+\.\d\d\n", out
    )
    assert "next: marlbench report --results results" in out
    found = {run.spec.algorithm: run for run in runs(empty / "results")}
    assert {name: run.status for name, run in found.items()} == {"tiny": "done", "moody": "failed"}
    typed = shlex.join(["marlbench", *command, "--set", "num_envs=2"])
    assert (found["tiny"].provenance or {})["command"] == typed

    code, out, _ = call("status")
    assert "failed     two_step moody-num_envs=2 seed 0  ValueError: the mood is bad" in out
    assert "2 runs: " in out

    code, out, _ = call("report", "--out", "pages", "--against", "paper,published")
    assert code == 0
    assert f"  {Path('pages', 'against-paper.csv')}\n" in out
    assert out.startswith(f"report: {Path('pages', 'report.html')}\n")
    assert "moody" in (empty / "pages" / "report.md").read_text()

    code, out, _ = call(*command, "--set", "num_envs=2")
    assert code == 1
    assert "1 done already, skipped" in out
    assert "1 failed before, tried again" in out

    command[2] = "tiny"
    code, out, _ = call(*command, "--set", "num_envs=2")
    assert (code, "machine" in out) == (0, False)  # nothing is left to play

    code, _, err = call(*[each.replace("96", "48") for each in command], "--set", "num_envs=2")
    assert code == 2
    assert "run.steps = 96, asked was 48" in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("tiny")
def test_another_map_is_another_row_and_a_named_variant_is_said_in_words(
    call: Call, empty: Path
) -> None:
    command = ["run", "--algo", "tiny", "--suite", "skirmish", "--preset", "smoke", "--seeds", "1"]
    command += ["--set", "run.device=cpu", "--steps", "48", "--set", "gain=0.75", "--label", "loud"]
    assert call(*command)[0] == 0
    code, out, err = call(*command, "--set", "suite.limit_scale=0.5")
    assert (code, err) == (0, "")
    words = "tiny-loud is tiny by preset smoke with gain = 0.75"
    assert f"  play     tiny-loud\n           {words}\n" in out
    assert "  on       skirmish: 3v3 [limit_scale=0.5] (its default task" in out
    assert out.count(words) == 2  # and behind the runs, when they are done
    folders = [run.folder.relative_to(empty / "results") for run in runs(empty / "results")]
    places = ["3v3/tiny-loud/seed_0", "3v3[limit_scale=0.5]/tiny-loud/seed_0"]
    assert folders == [Path("skirmish", each) for each in places]

    assert words in call("status")[1]
    assert call("report", "--out", "pages")[0] == 0
    page = (empty / "pages" / "report.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert lines[2] == "|  |  | **tiny (loud)** |"
    shown = [line.split(" | ")[1] for line in lines[3:5]]
    assert shown == ["3v3", r"3v3 \[limit\_scale=0.5\]"]
    assert "- tiny-loud is tiny by preset smoke with gain = 0.75." in page
    assert "tiny-loud is tiny by preset smoke with gain = 0.75." in (
        (empty / "pages" / "table.tex").read_text()
    )

    code, _, err = call(*[each.replace("0.75", "0.7") for each in command], "--task", "2v2")
    assert (code, err.count("\n")) == (2, 1)
    assert "with gain = 0.75, asked was 0.7: --label NAME gives this one a label of its own" in err


@pytest.mark.usefixtures("tiny", "empty")
def test_a_run_says_what_memory_its_worker_planned(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marlbench.grid.memory.WORTH_SAYING", 0.0)  # the learner has no replay
    small = [*SMALL, "--set", "mood=slow", "--steps", "60", "--seed", "0"]
    code, out, _ = call("run", "--algo", "tiny", *small)
    assert code == 0
    (line,) = [line for line in out.splitlines() if "replay grows" in line]
    free = r"(, \d+\.\d GiB of memory were free)?"
    said = r"\[0/1\] two_step tiny-.*: replay grows to 0\.0 GiB, environments take 0\.0 GiB" + free
    assert re.fullmatch(said, line)


@pytest.mark.usefixtures("tiny")
def test_an_interrupt_at_a_terminal_ends_with_130_and_the_same_command_goes_on(
    tmp_path: Path,
) -> None:
    results = tmp_path / "results"
    command = [*PROGRAM, "run", "--algo", "tiny", *SMALL, "--seed", "0", "--results", str(results)]
    command += ["--set", "mood=slow", "--set", "num_envs=2", "--steps", "240"]
    ours, terminal = pty.openpty()
    able = {**os.environ, "TERM": "xterm"}  # whatever the tests' own terminal is, if there is one
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, env=able) as grid:
        os.close(terminal)
        screen = Screen(ours)
        screen.wait_for(" s to go")  # the first updates were timed
        grid.send_signal(signal.SIGINT)
        assert grid.wait(timeout=60) == 130
    said = screen.rest()
    assert "interrupted; nothing is lost, the same command goes on where it stopped" in said
    assert "Traceback" not in said
    (run,) = runs(results)
    assert run.status == "unfinished"

    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "1 to go on where they stopped" in ended.stdout
    assert re.search(r"seed 0: goes on at \d+ of 240 steps", ended.stdout)
    (run,) = runs(results)
    assert (run.status, [row["step"] for row in run.evaluations()]) == ("done", [0, 240])


def test_check_says_which_promises_a_suite_keeps(call: Call) -> None:
    code, out, _ = call("check", "probe", "--task", "counting")
    assert code == 0
    assert re.search(r"probe: (\d+) of \1 promises kept\n$", out)


@pytest.mark.usefixtures("tiny")
def test_check_of_a_plugin_that_breaks_a_promise_ends_with_1(call: Call) -> None:
    code, out, _ = call("check", "moody")
    assert code == 1
    assert re.search(r"^FAIL .*the mood is bad", out, re.MULTILINE)


class Screen:
    """What a program writes to a terminal."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.said = ""

    def read(self) -> bool:
        """Take what is there; False at the end."""
        try:
            piece = os.read(self.terminal, 4096)
        except OSError:  # Linux's way to say that the other side is closed
            return False
        self.said += piece.decode(errors="replace")
        return bool(piece)

    def wait_for(self, text: str) -> None:
        """Read until the text is there."""
        while text not in self.said:
            assert self.read(), self.said

    def rest(self) -> str:
        """Read to the end."""
        while self.read():
            pass
        os.close(self.terminal)
        return self.said


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    command = f"{shlex.join(PROGRAM)} show dmawm | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    title, code = done.stdout.splitlines()
    assert title.startswith("dmawm: ")
    assert (code, done.stderr) == ("0", "")


def test_a_terminal_that_has_only_ascii_is_told_everything_else() -> None:
    say = "@app.command()\ndef say():\n print('3 \u2713')\n"
    script = f"from marlbench.cli import main, app\n{say}main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "say"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 ?\n", "")
