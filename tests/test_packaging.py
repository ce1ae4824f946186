"""What an install gives: every plugin in the catalogue, no stray package, pinned versions."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from marlbench.installation import DISTRIBUTION

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(p for root in ("algorithms", "envs") for p in (ROOT / root).glob("marlbench_*"))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The project's table in pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def test_every_plugin_folder_has_an_entry_point_and_none_points_nowhere(
    project: dict[str, Any],
) -> None:
    named = set(project["entry-points"]["marlbench"].values())
    assert named == {"marlbench.builtin", *(plugin.name for plugin in PLUGINS)}


def test_the_install_has_the_entry_points_of_the_source(project: dict[str, Any]) -> None:
    installed = distribution(DISTRIBUTION).entry_points.select(group="marlbench")
    assert {e.name: e.value for e in installed} == project["entry-points"]["marlbench"], (
        "a new plugin folder needs `pip install -e .` once again"
    )


def test_every_plugin_folder_describes_itself() -> None:
    assert [plugin.name for plugin in PLUGINS if not (plugin / "README.md").is_file()] == []


def test_the_folders_that_hold_packages_are_none(tmp_path: Path) -> None:
    tops = (distribution(DISTRIBUTION).read_text("top_level.txt") or "").split()
    assert tops
    assert [top for top in tops if not top.startswith("marlbench")] == []
    code = "from importlib.util import find_spec; print(find_spec('algorithms'), find_spec('envs'))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["None", "None"]


def test_constraints_pin_every_direct_requirement_exactly(project: dict[str, Any]) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pinned = {canonical(name): version for name, version in pins.items()}
    assert pinned["torch"] == "2.13.0"
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(need for extra in extras.values() for need in extra)]
    for need in map(Requirement, wanted):
        assert pinned[canonical(need.name)] in need.specifier, need


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_ci_runs_the_test_command_of_the_readme_and_nox_its_demo() -> None:
    readme = (ROOT / "README.md").read_text()
    demo, tests = (line.split(" && ") for line in re.findall(r"^python3 -m venv .*$", readme, re.M))
    assert demo[:3] == tests[:3]
    assert set(tests[2:]) <= set((ROOT / ".ci" / "run").read_text().splitlines())
    assert f'RUN = "{demo[-2].removeprefix("marlbench ")}"' in (ROOT / "noxfile.py").read_text()
