"""Set-up help: what is missing is said in a line with its remedy; launches keep their distance."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from standin_of_packages import STANDIN

from marlbench.needs import missing
from marlbench.plugin import Finding
from marlbench_starcraft import build, examine, examine_v2, launches, marlbench_suites, packages
from marlbench_starcraft.config import Config
from marlbench_starcraft.examine import episodes
from marlbench_starcraft.installed import game_version
from marlbench_starcraft.launches import wait_for_turn
from marlbench_starcraft.tasks import SMAC_MAPS, smac_order

ABSENT = [package for package in packages.SOURCE if packages.lack(package)]  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where the game is looked for."""
    monkeypatch.setenv("SC2PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def _packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(STANDIN))


def by_name(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Give findings by what stands before their colon."""
    return {finding.what.partition(":")[0]: finding for finding in findings}


def unpack(home: Path, *maps: str) -> None:
    """Lay out folders as the game's archive and the maps' do."""
    (home / "Versions" / "Base69232").mkdir(parents=True)
    (home / "Versions" / "Base75689").mkdir()
    folder = home / "Maps" / "SMAC_Maps"
    folder.mkdir(parents=True)
    for name in maps:
        (folder / f"{name}.SC2Map").write_bytes(b"map")


def test_another_project_of_the_name_smac_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smac" / "facade").mkdir(parents=True)
    (tmp_path / "smac" / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RuntimeError, match=r"AutoML's SMAC3\): pip uninstall smac, then") as error:
        build("3m", Config())
    assert "\n" not in str(error.value)
    found = by_name(examine())["package"]
    assert not found.ok
    assert "another project" in found.what
    assert found.remedy.startswith("pip uninstall smac")


@pytest.mark.skipif("smac" not in ABSENT, reason="smac is installed")
def test_a_package_that_is_not_there_is_named_with_its_remedy() -> None:
    with pytest.raises(
        RuntimeError, match=r"not installed: .*git\+https://github.com/oxwhirl/smac"
    ):
        build("3m", Config())
    lack = missing(marlbench_suites()[0])  # type: ignore[index]
    assert lack is not None
    assert lack.endswith("marlbench env check smac")


def test_the_page_installs_the_commits_that_remedies_name() -> None:
    page = (Path(__file__).parents[3] / "docs" / "suites" / "starcraft.md").read_text()
    for package, source in packages.SOURCE.items():
        assert f"pip install --no-deps git+{source}\n" in page
        commit = source.partition("@")[2]
        assert len(commit) == 40
        assert f"git -C {package} checkout {commit[:7]}\n" in page


@pytest.mark.usefixtures("_packages")
def test_one_process_takes_one_of_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smacv2", pytest)
    with pytest.raises(RuntimeError, match="'smac' and 'smacv2' cannot live in one process"):
        packages.environment("smac")


def test_everything_that_is_missing_is_a_line_with_its_remedy(home: Path) -> None:
    findings = by_name(examine())
    for name in ("versions of the game", "maps"):
        assert not findings[name].ok
        assert findings[name].remedy
    assert findings["StarCraft II"].ok
    assert findings["maps"].what.startswith("maps: 2c_vs_64zg, 3s5z, 25m and 20 more not in")
    for finding in findings.values():
        assert "\n" not in finding.what + finding.remedy
        assert bool(finding.remedy) != finding.ok


def test_a_game_folder_that_is_not_there_is_said_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SC2PATH", str(home / "none"))
    assert not by_name(examine_v2())["StarCraft II"].ok


def test_what_is_there_is_found(home: Path) -> None:
    unpack(home, "32x32_flat")
    findings = by_name(examine_v2())
    assert findings["versions of the game"].what.endswith(": 4.6.2 (69232), 4.10.0 (75689)")
    assert findings["maps"].ok
    assert by_name(examine())["maps"].what.startswith("maps: 2c_vs_64zg, 3s5z, 25m and 20 more")


def test_all_maps_of_smac_are_looked_for(home: Path) -> None:
    unpack(home, *SMAC_MAPS[1:])
    assert by_name(examine())["maps"].what.startswith("maps: 2c_vs_64zg not in")


@pytest.mark.usefixtures("_packages")
def test_three_random_episodes_are_played() -> None:
    found = episodes(smac_order("3m", Config()))
    assert found.ok
    lengths = found.what.removeprefix("random episodes: ").partition(" steps")[0].split(", ")
    assert len([int(length) for length in lengths]) == 3


@pytest.mark.usefixtures("_packages")
def test_episodes_that_cannot_be_played_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_STANDIN_TROUBLE", "reset@2")
    found = episodes(smac_order("3m", Config()))
    assert not found.ok
    assert "connection to the game broke" in found.what
    assert found.remedy


def test_the_game_that_is_played_is_named(home: Path) -> None:
    assert game_version("") == "StarCraft II not found"
    unpack(home)
    assert game_version("") == "StarCraft II 4.10.0 (75689)"
    assert game_version("4.6.2") == "StarCraft II 4.6.2 (69232)"
    assert game_version("4.10") == game_version("")
    (home / "Versions" / "Base90000").mkdir()
    assert game_version("") == "StarCraft II 90000"


def test_launches_keep_their_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launches, "ledger", lambda: tmp_path / "launches")
    wait_for_turn(0.2)
    began = time.time()
    wait_for_turn(0.2)
    wait_for_turn(0.2)
    assert time.time() - began >= 0.39  # twice 0.2 but for the clock's and the float's grain
    (tmp_path / "launches").write_text(f"{time.time() + 9999}")  # the clock was set back since
    began = time.time()
    wait_for_turn(0.2)
    assert time.time() - began < 5
