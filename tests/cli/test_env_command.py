"""`marlbench env`: what is said of what a suite needs, and with which exit code."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from distributions import install

import marlbench_meltingpot
from marlbench.commands import environment
from marlbench.installation import pip_install
from marlbench.needs import missing
from marlbench_meltingpot import installing
from tests.cli.conftest import Call

SOURCE = '''"""Suites that need things."""
from pathlib import Path

from marlbench.plugin import Finding, Suite, hookimpl

marlbench_api = 2
PLACE = Path({place!r})


def examine():
    """Look for a file."""
    yield Finding("python: 3", True, "never said")
    yield Finding(f"the game: {{PLACE}}", PLACE.exists(), "marlbench env install game")


def put():
    """Put the file there."""
    print("putting")
    PLACE.touch()


def fail():
    """Do nothing."""
    raise RuntimeError("no network: try later")


def build(task, config):
    """Never work."""
    raise RuntimeError("the engine does not start")


@hookimpl
def marlbench_suites():
    """Offer them."""
    return [
        Suite("game", ("a",), build, "a", examine=examine, install=put),
        Suite("triable", ("a",), build, "a", examine=examine, trial=lambda: Finding("tried", True)),
        Suite("far", ("a",), build, "a", extra="far", requires=("json", "absent_thing")),
        Suite("both", ("a",), build, "a", extra="x", requires=("absent_thing",), install=fail),
        Suite("alone", ("a",), build, "a", requires=("absent_thing",), examine=examine),
        Suite("dead", ("a",), build, "a", requires=("json",)),
    ]
'''


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the game is when it is installed."""
    return tmp_path / "game"


@pytest.fixture(autouse=True)
def offered(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the plugin that offers these suites."""
    install(tmp_path / "site", "acme", {"needy": SOURCE.format(place=str(place))})
    monkeypatch.syspath_prepend(tmp_path / "site")


def test_what_is_missing_is_said_with_its_remedy_and_what_is_there_without(
    call: Call, place: Path
) -> None:
    code, out, err = call("env", "check", "game")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "ok       python: 3",
        f"MISSING  the game: {place}; marlbench env install game",
        "game: 1 of 2 not ok",
    ]


def test_a_grid_looks_before_it_starts_and_says_it_in_one_line(
    call: Call, place: Path, tmp_path: Path
) -> None:
    grid = ["run", "--algo", "qmix", "--suite", "game", "--results", str(tmp_path / "results")]
    assert call(*grid) == (
        2,
        "",
        f"marlbench: game is not ready: the game: {place}; marlbench env install game "
        "(marlbench env check game)\n",
    )
    assert not (tmp_path / "results").exists()
    place.touch()
    assert call(*grid, "--dry-run")[0] == 0


def test_what_a_suite_tries_comes_last_once_nothing_is_missing(call: Call, place: Path) -> None:
    assert "tried" not in call("env", "check", "triable")[1]
    place.touch()
    code, out, _ = call("env", "check", "triable")
    assert (code, out.splitlines()[-2:]) == (0, ["ok       tried", "triable: ready"])


def test_installing_does_it_and_looks(call: Call, place: Path) -> None:
    code, out, _ = call("env", "install", "game")
    assert code == 0
    assert out.splitlines() == [
        "putting",
        "ok       python: 3",
        f"ok       the game: {place}",
        "game: ready",
    ]
    assert call("env", "check", "game")[0] == 0


def test_an_install_that_fails_says_why_in_a_line(call: Call) -> None:
    code, out, err = call("env", "install", "both")
    assert (code, err) == (1, "")
    assert out == "both is not installed: no network: try later\n"


def test_a_suite_that_examines_nothing_is_looked_at_by_its_modules(call: Call) -> None:
    code, out, _ = call("env", "check", "far")
    assert code == 1
    assert out.splitlines() == [
        "ok       module json",
        f"MISSING  module absent_thing; {pip_install('far')}",
        "far: 1 of 2 not ok",
    ]


def test_a_suite_that_has_all_its_modules_is_played(call: Call) -> None:
    code, out, _ = call("env", "check", "dead")
    assert code == 1
    assert "MISSING  an episode of a: RuntimeError: the engine does not start" in out
    code, out, _ = call("env", "check", "probe")
    assert code == 0
    assert out.splitlines()[-1] == "probe: ready"
    assert "ok       an episode of two_step: 2 steps, probe" in out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("far", f"far needs no more than: {pip_install('far')}"),
        ("skirmish", "skirmish needs nothing but marlbench"),
    ],
)
def test_where_pip_is_enough_its_command_is_said(call: Call, name: str, said: str) -> None:
    assert call("env", "install", name)[:2] == (0, said + "\n")


@pytest.mark.parametrize("command", ["check", "install"])
def test_a_name_that_nothing_has_is_told_with_the_nearest(call: Call, command: str) -> None:
    code, out, err = call("env", command, "skirmis")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no plugin offers the suite 'skirmis'; did you mean 'skirmish'?" in err


def test_the_list_gives_both_steps_and_points_to_the_check_where_there_is_no_step(
    call: Call,
) -> None:
    out = call("list")[1]
    assert f"not installed: {pip_install('x')} && marlbench env install both" in out
    assert "not installed: marlbench env check alone" in out


def test_the_archive_for_melting_pots_build_has_no_bot_in_it(tmp_path: Path) -> None:
    installing.empty_assets(tmp_path)
    with tarfile.open(tmp_path / installing.ASSETS) as archive:
        assert archive.getnames() == ["assets", "assets/saved_models"]


def test_melting_pot_that_is_there_is_found_and_not_installed_again(call: Call) -> None:
    (suite,) = marlbench_meltingpot.marlbench_suites()
    if lack := missing(suite):
        pytest.skip(lack)
    code, out, _ = call("env", "install", "meltingpot")
    assert code == 0
    first, *_, last = out.splitlines()
    assert first == "dm-meltingpot 2.4.1 is installed"
    assert last == "meltingpot: ready"
    assert "ok       a step of coop_mining: dm-meltingpot 2.4.1, dmlab2d 1.0.2" in out


def test_melting_pot_that_is_not_there_is_said_part_by_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installing, "NEEDED", {"absent_thing": "absent-thing"})
    monkeypatch.setattr(installing, "VERSION", "9.9")
    lines = [environment.line(each) for each in environment.looked_for("meltingpot")]
    assert lines[0].startswith("MISSING  packages from PyPI: none; missing absent-thing; ")
    assert lines[0].endswith(pip_install("meltingpot"))
    assert lines[1].startswith("MISSING  dm-meltingpot 9.9: ")
    assert lines[1].endswith("; marlbench env install meltingpot")
