"""The plugins of docs/write-a-plugin.md, as they stand there, are found, pass and learn."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "write-a-plugin.md").read_text(encoding="utf-8")
FILES = re.findall(r"^\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)^```$", PAGE, re.S | re.M)
COMMANDS = re.findall(
    r"^marlbench .*$", "".join(re.findall(r"^```sh\n(.*?)```$", PAGE, re.S | re.M)), re.M
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's two distributions in it, known as an install makes them known."""
    desk = tmp_path_factory.mktemp("desk")
    for name, text in FILES:
        (desk / name).parent.mkdir(parents=True, exist_ok=True)
        (desk / name).write_text(text, encoding="utf-8")
    for project in desk.glob("*/pyproject.toml"):
        register(project)
    return desk


def register(project: Path) -> None:
    """Write the metadata that an editable install would: names and entry points."""
    table = tomllib.loads(project.read_text())["project"]
    info = project.parent / f"{table['name'].replace('-', '_')}-{table['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {table['name']}\nVersion: {table['version']}\n"
    )
    lines = [f"{name} = {where}" for name, where in table["entry-points"]["marlbench"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[marlbench]", *lines, ""]))


def marlbench(desk: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the page in the folder."""
    paths = os.pathsep.join(str(path.parent) for path in desk.glob("*/pyproject.toml"))
    return subprocess.run(
        [str(Path(sys.executable).with_name("marlbench")), *command.split()[1:]],
        cwd=desk,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_has_the_files_and_the_commands() -> None:
    assert len(FILES) == 6
    assert [command.split()[1] for command in COMMANDS] == [
        "list",
        "check",
        "check",
        "run",
        "report",
    ]


def test_every_command_of_the_page_succeeds_and_the_algorithm_learns(desk: Path) -> None:
    said = {}
    for command in COMMANDS:
        done = marlbench(desk, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        said[command] = done.stdout
    assert re.search(r"^ *delta +decentralised", said["marlbench list"], re.M)
    assert re.search(r"^ *echo +2 tasks: three, ten", said["marlbench list"], re.M)
    with (desk / "results" / "report" / "runs.csv").open(newline="") as file:
        runs = list(csv.DictReader(file))
    assert [run["status"] for run in runs] == ["done", "done"]
    assert [float(run["value"]) for run in runs] == [10.0, 10.0]  # every answer right


def test_the_example_of_a_study_is_played_and_drawn(desk: Path) -> None:
    (code,) = re.findall(r"^```python\n(from collections[^`]*Study[^`]*)^```$", PAGE, re.S | re.M)
    project = desk / "study"
    project.mkdir()
    (project / "delta_studies.py").write_text(f"{code}\n\nmarlbench_api = 2\n")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "delta-studies"\nversion = "0.1.0"\n'
        '[project.entry-points.marlbench]\ndelta_studies = "delta_studies"\n'
    )
    register(project / "pyproject.toml")
    (command,) = re.findall(r"^`(marlbench run --study [^`]+)`", PAGE, re.M)
    done = marlbench(desk, f"{command} --seed 0 --steps 200 --results study")
    assert done.returncode == 0, done.stderr
    assert "4 runs of 200 env steps" in done.stdout
    assert marlbench(desk, "marlbench report --results study").returncode == 0
    report = (desk / "study" / "report" / "report.md").read_text()
    assert "Random actions" in report
    assert "Step size" in report


def test_the_example_of_a_section_runs(desk: Path) -> None:
    (code,) = re.findall(r"^```python\n(from collections[^`]*Section.*?)^```$", PAGE, re.S | re.M)
    names: dict[str, object] = {}
    exec(compile(code, "write-a-plugin.md", "exec"), names)
    (section,) = names["marlbench_report_sections"]()  # type: ignore[operator]
    from marlbench.report import Material

    assert section.render(Material(desk, ()), desk).markdown == "0 runs are finished."
