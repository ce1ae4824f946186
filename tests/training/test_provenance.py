"""A run's provenance names the commit of our code, and never another repository's."""

from __future__ import annotations

import subprocess
from pathlib import Path

from marlbench.training.provenance import git_state


def git(folder: Path, *arguments: str) -> None:
    who = "-c", "user.name=a", "-c", "user.email=a@b.c"
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_a_file_of_a_checkout_has_its_commit_and_a_foreign_one_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    ours, installed = tmp_path / "code.py", tmp_path / ".venv" / "lib" / "code.py"
    installed.parent.mkdir(parents=True)
    for file in (ours, installed):
        file.write_text("")
    (tmp_path / ".gitignore").write_text(".venv")
    git(tmp_path, "add", "code.py", ".gitignore")
    assert git_state(ours) is None  # nothing is committed
    git(tmp_path, "commit", "-q", "-m", "one")
    found = git_state(ours)
    assert found is not None
    assert len(found["commit"]) == 40
    assert not found["dirty"]
    ours.write_text("changed")
    assert git_state(ours) == {"commit": found["commit"], "dirty": True}
    assert git_state(installed) is None
    assert git_state(tmp_path.parent / "nowhere.py") is None
