"""What an algorithm's page says of the paper is in the code: tables and docstrings agree."""

import importlib
import re
from pathlib import Path

import pytest

PACKAGES = sorted((Path(__file__).parent.parent / "algorithms").glob("marlbench_*"))
NUMBERS = re.compile(r"\d+")


def table(package: Path) -> list[tuple[str, str]]:
    """Rows (in the paper, in the code) of a page's table of equations; what follows is its own."""
    lines = (package / "README.md").read_text().splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("| in the paper"))
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        paper, code, *_ = (cell.strip() for cell in line.strip("|").split("|"))
        rows.append((paper, code))
    return rows


def named(package: Path, path: str) -> object | None:
    """The object that `module.Class.method` names, or `toolbox.module.Class`; None for a file."""
    if path.endswith(".py"):
        assert (package / path).is_file(), f"{path} does not exist"
        return None
    module, *names = path.split(".")
    where = package.name
    if module == "toolbox":
        where, module, names = "marlbench.toolbox", names[0], names[1:]
    found: object = importlib.import_module(f"{where}.{module}")
    for name in names:
        found = getattr(found, name)
    return found


def tags(docstring: str) -> set[str]:
    """Equation numbers that a docstring cites: `[Eq. 1]`, `[Eqs. 4, 5]`."""
    cited = re.findall(r"\[[^\]]*?Eqs?\.([^\]]*)\]", docstring)
    return {number for part in cited for number in NUMBERS.findall(part)}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_every_equation_of_the_page_is_cited_where_the_page_says(package: Path) -> None:
    rows = table(package)
    assert rows
    for paper, code in rows:
        for path in re.findall(r"`([^`]+)`", code):
            thing = named(package, path)
            equation = re.match(r"Eqs?\.([\d, ]+)", paper)
            if thing is None or equation is None:
                continue
            docstring = getattr(thing, "fget", thing).__doc__ or ""
            missing = set(NUMBERS.findall(equation[1])) - tags(docstring)
            assert not missing, f"{path} does not cite {paper}: {docstring.splitlines()[0]}"
