"""The toolbox's index page says of every leaf what the leaf itself says; a leaf serves several."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOLBOX = ROOT / "marlbench" / "toolbox"
LEAVES = {file.stem: file for file in TOOLBOX.glob("*.py") if file.stem != "__init__"}
ON_ITS_WAY = {"sequence_replay"}
"""What one learner alone uses so far."""


def sentence(file: Path) -> str:
    """What a module's docstring begins with, on one line."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def test_the_index_has_every_leaf_once_with_its_own_sentence() -> None:
    page = (TOOLBOX / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.M)
    assert sorted(rows) == sorted((name, sentence(file)) for name, file in LEAVES.items())


def imported(file: Path) -> set[str]:
    """The leaves that a file imports."""
    found = re.findall(r"^\s*from marlbench\.toolbox\.(\w+) import", file.read_text(), re.M)
    return set(found)


def needed(names: set[str]) -> set[str]:
    """These leaves and all that they need."""
    below = set().union(*(imported(LEAVES[name]) for name in names)) - names
    return needed(names | below) if below else names


def test_no_leaf_serves_a_single_learner() -> None:
    packages = sorted((ROOT / "algorithms").glob("marlbench_*"))
    uses = [needed(set().union(*map(imported, each.glob("*.py")))) for each in packages]
    counts = {name: sum(name in use for use in uses) for name in LEAVES}
    assert {name for name, count in counts.items() if count < 2} <= ON_ITS_WAY
