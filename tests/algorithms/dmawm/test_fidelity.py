"""The page's list of what the paper asks for: each entry has its test, each tag its entry."""

import ast
import importlib
import re
from pathlib import Path

import marlbench_dmawm

PACKAGE = Path(marlbench_dmawm.__file__).parent
REFERENCE = re.compile(r"section \d\.\d|\bA\.\d|Table \d|Eqs?\. [\d, -]+")


def rows() -> list[list[str]]:
    """Cells (in the paper, in the code, test) of the page's first table."""
    lines = (PACKAGE / "README.md").read_text().splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("| in the paper"))
    cells = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        cells.append([cell.strip() for cell in line.strip("|").split("|")])
    return cells


def references(text: str) -> set[str]:
    """`section 4.2`, `A.3`, `Table 2`, `Eq. 7`: ranges and lists taken apart."""
    found = set()
    for each in REFERENCE.findall(text):
        if not each.startswith("Eq"):
            found.add(each)
            continue
        for part in re.findall(r"\d+(?:-\d+)?", each):
            low, _, high = part.partition("-")
            found |= {f"Eq. {n}" for n in range(int(low), int(high or low) + 1)}
    return found


def docstrings(path: Path) -> str:
    """All docstrings of a module, those of fields too."""
    constants = (
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Expr)
    )
    values = (node.value.value for node in constants if isinstance(node.value, ast.Constant))
    return "\n".join(value for value in values if isinstance(value, str))


def test_every_entry_has_a_test_that_exists() -> None:
    for paper, _, tests in rows():
        named = re.findall(r"`(\w+)\.(\w+)`", tests)
        assert named, f"{paper}: no test"
        for module, function in named:
            found = importlib.import_module(f"tests.algorithms.dmawm.{module}")
            assert callable(getattr(found, function, None)), f"{paper}: no {module}.{function}"


def test_list_and_tags_are_equal() -> None:
    listed = set().union(*(references(paper) for paper, _, _ in rows()))
    tagged = set()
    for path in PACKAGE.glob("*.py"):
        for brackets in re.findall(r"\[[^\]]*\]", docstrings(path)):
            tagged |= references(brackets.replace("sections 4.1, 4.3", "section 4.1, section 4.3"))
    assert listed == tagged


def test_every_entry_is_cited_in_the_file_that_the_page_names() -> None:
    for paper, code, _ in rows():
        for path in re.findall(r"`(\w+)\.", code):
            text = docstrings(PACKAGE / f"{path}.py")
            text = text.replace("sections 4.1, 4.3", "section 4.1, section 4.3")
            missing = references(paper) - references(text)
            assert not missing, f"{path}.py does not cite {missing} of {paper!r}"
