"""`marlbench imagine` from the command line: mistakes in a line each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call

MISTAKES = [
    (["--episode", "3", "--episodes", "3"], "--episode 3: they are 0 to 2; --episodes 4 plays it"),
    (["--out", "picture.gif"], "--out picture.gif: a .png in a folder that is there is wanted"),
    (["--out", "nowhere/picture.png"], "a .png in a folder that is there is wanted"),
    (["--of", "best"], "keeps no policy 'best'"),
    (["--context", "0"], "--context"),
    ([], "tiny does not imagine: it offers no `imagine`"),
]


@pytest.mark.usefixtures("tiny")
def test_mistakes_are_told_in_a_line(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--suite", "skirmish", "--task", "2v2", "--preset", "smoke", "--steps", "60"]
    assert call("run", "--algo", "tiny", *small, "--seed", "0", "--workers", "1")[0] == 0
    for arguments, said in MISTAKES:
        code, _, err = call("imagine", "results", *arguments)
        assert (code, err.count("\n")) == (2, 1), arguments
        assert said in err
