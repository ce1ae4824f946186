"""How this copy was installed: the command of every remedy, and who else has its import name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from marlbench import installation
from marlbench.installation import pip_install

ROOT = Path(__file__).parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *(p for d in ("docs", "algorithms", "envs") for p in (ROOT / d).rglob("*.md")),
]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "https://example.org/us/marlbench.git"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages that has a copy of ours, as pip leaves one."""
    site = tmp_path / "site"
    (site / "marlbench").mkdir(parents=True)
    for name in ("marlbench/__init__.py", "marlbench/installation.py", "marlbench_command.py"):
        shutil.copy(ROOT / name, site / name)
    known_to_pip(site, "marlbench-suite", "marlbench")
    return site


def known_to_pip(site: Path, name: str, package: str, **files: str) -> Path:
    """Write what pip keeps of a distribution that has a package."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{info.name}/METADATA,,\n{package}/__init__.py,,\n")
    for file, text in files.items():
        (info / file).write_text(text)
    return info


def ask(site: Path, expression: str, cwd: Path | None = None) -> str:
    """Ask the copy in that folder, with nothing else installed."""
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n"
    code += f"from marlbench.installation import clash, pip_install\nprint({expression})"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.removesuffix("\n")


def test_a_checkout_installs_itself_with_its_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert pip_install("mpe") == "pip install -c constraints.txt -e '.[mpe]'"
    assert pip_install() == "pip install -c constraints.txt -e ."
    monkeypatch.chdir(tmp_path)
    assert pip_install("mpe") == f"pip install -c {ROOT}/constraints.txt -e '{ROOT}[mpe]'"


def test_a_copy_from_an_index_asks_it_for_our_name_not_the_strangers(site: Path) -> None:
    assert ask(site, "pip_install('mpe')") == "pip install 'marlbench-suite[mpe]'"
    assert ask(site, "pip_install()") == "pip install marlbench-suite"


def test_a_copy_from_a_git_address_asks_for_the_same_commit(site: Path) -> None:
    vcs = {"vcs": "git", "requested_revision": "main", "commit_id": COMMIT}
    where(site, {"url": REPOSITORY, "vcs_info": vcs})
    wanted = f"pip install 'marlbench-suite[mpe] @ git+{REPOSITORY}@{COMMIT}'"
    assert ask(site, "pip_install('mpe')") == wanted


def test_a_copy_from_a_file_or_folder_asks_for_it_while_it_is_there(
    site: Path, tmp_path: Path
) -> None:
    wheel, source = tmp_path / "dist" / "suite.whl", tmp_path / "my source"
    wheel.parent.mkdir()
    source.mkdir()
    for place, info in ((wheel, "archive_info"), (source, "dir_info")):
        where(site, {"url": place.as_uri(), info: {}})
        assert ask(site, "pip_install('mpe')") == "pip install 'marlbench-suite[mpe]'"
    (source / "pyproject.toml").write_text('[project]\nname = "marlbench-suite"\n')
    there = f"pip install -c '{source}/constraints.txt' '{source}[mpe]'"
    assert ask(site, "pip_install('mpe')") == there
    inside = ask(site, "pip_install('mpe')", cwd=source)
    assert inside == "pip install -c constraints.txt '.[mpe]'"
    wheel.touch()
    where(site, {"url": wheel.as_uri(), "archive_info": {}})
    assert ask(site, "pip_install()") == f"pip install 'marlbench-suite @ {wheel.as_uri()}'"


def where(site: Path, origin: dict[str, object]) -> None:
    """Write down where our copy came from (PEP 610)."""
    (site / "marlbench_suite-1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))


def test_no_other_distribution_has_our_import_name_unless_one_says_so(site: Path) -> None:
    assert ask(site, "clash()") == "None"
    known_to_pip(site, "marlbenches", "marlbenches")  # begins alike
    known_to_pip(site, "beside", "marlbench_beside")  # a plugin
    assert ask(site, "clash()") == "None"


@pytest.mark.parametrize("files", [{}, {"top_level.txt": "marlbench\n"}])
def test_another_distribution_with_our_import_name_is_named_with_the_remedy(
    site: Path, files: dict[str, str]
) -> None:
    known_to_pip(site, "stranger", "marlbench" if not files else "elsewhere", **files)
    assert ask(site, "clash()") == (
        "the distribution 'stranger' has files under the import name 'marlbench' too: "
        "pip uninstall -y stranger && pip install --force-reinstall --no-deps marlbench-suite"
    )


def test_what_an_editable_install_of_the_old_name_left_is_to_be_deleted(site: Path) -> None:
    left = site / "marlbench.egg-info"
    left.mkdir()
    (left / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: marlbench\nVersion: 0.1.0\n")
    (left / "top_level.txt").write_text("marlbench\nmarlbench_qmix\n")
    assert ask(site, "clash()").endswith(f"too: rm -r {left}")


@pytest.mark.parametrize(
    "program", [["-m", "marlbench"], ["-c", "import marlbench_command as c; c.main()"]]
)
def test_the_command_refuses_to_run_beside_it(tmp_path: Path, program: list[str]) -> None:
    known_to_pip(tmp_path, "stranger", "marlbench")
    done = subprocess.run(
        [sys.executable, *program, "list"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("marlbench: the distribution 'stranger' has files under")


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "marlbench", "--version"], capture_output=True, text=True, check=True
    )
    version = metadata.version(installation.DISTRIBUTION)
    assert (done.stdout, done.stderr) == (f"marlbench {version}\n", "")


@pytest.mark.parametrize("init", ["", "import gymnasium_that_is_not_there"])
def test_the_command_says_who_stands_in_our_packages_place(site: Path, init: str) -> None:
    (site / "marlbench" / "__init__.py").write_text(init)
    known_to_pip(site, "stranger", "marlbench")
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n"
    code += "from marlbench_command import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("marlbench: the distribution 'stranger' has files under")


def test_a_fault_of_our_own_keeps_its_traceback(site: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n"
    code += "from marlbench_command import main\nmain()"  # this copy has no cli.py
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'marlbench.cli'" in done.stderr


def test_every_page_has_the_command_of_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = 0
    for page in PAGES:
        for command, extras in re.findall(
            r"(pip install [^`\n&]*?\[([a-z0-9,]+)\]'?)", page.read_text("utf-8")
        ):
            assert command == pip_install(extras), page
            found += 1
    assert found >= 8


def test_nothing_tells_people_to_install_the_stranger() -> None:
    sources = [file for folder in ("marlbench", "algorithms", "envs") for file in files(folder)]
    wrong = re.compile(r"\bmarlbench\[|pip install (?:-\S+ )*'?marlbench(?![-\w])")
    assert len(sources) > 100
    assert [file for file in (*sources, *PAGES) if wrong.search(file.read_text("utf-8"))] == []
    assert installation.DISTRIBUTION != "marlbench"


def files(folder: str) -> list[Path]:
    """The Python files below a folder of the checkout."""
    return sorted((ROOT / folder).rglob("*.py"))
