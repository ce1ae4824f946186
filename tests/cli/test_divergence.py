"""A run that diverges, from the command line: told, not tried again, exit code 1."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Call


def test_a_run_that_diverged_is_told_and_not_tried_again(call: Call, tmp_path: Path) -> None:
    asked = ["run", "--algo", "iql", "--suite", "probe", "--task", "two_step", "--preset", "smoke"]
    asked += ["--seed", "0", "--workers", "1", "--set", "iql.learning_rate=1e25"]
    asked += ["--label", "wild", "--results", str(tmp_path)]
    code, out, _ = call(*asked)
    assert code == 1
    assert "diverged at " in out
    assert "1 run: 1 diverged, in " in out
    assert "those that diverged stay so" in out
    assert "tries the failed ones again" not in out
    code, out, _ = call(*asked)
    assert code == 1
    assert "1 diverged before, kept as they ended" in out
    assert [path.name for path in tmp_path.rglob("attempts/*")] == ["1"]
    code, out, _ = call("status", "--results", tmp_path)
    assert code == 0
    assert "  diverged   two_step iql-wild seed 0  diverged at " in out


def test_why_a_run_that_ended_has_no_checkpoint_is_said(call: Call, tmp_path: Path) -> None:
    asked = ["run", "--algo", "iql", "--suite", "probe", "--task", "two_step", "--preset", "smoke"]
    asked += ["--seed", "0", "--workers", "1", "--set", "iql.learning_rate=1e25"]
    call(*asked, "--results", tmp_path)
    (folder,) = tmp_path.glob("*/*/*/seed_0")
    assert not [*folder.glob("checkpoint/*.json")]
    code, _, err = call("evaluate", folder)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{folder} diverged at " in err
    assert "that was before its first checkpoint: name another run (marlbench status)" in err
    document = json.loads((folder / "FAILED").read_text())
    del document["diverged"]
    (folder / "FAILED").write_text(json.dumps(document | {"reason": "no more room"}))
    _, _, err = call("evaluate", folder)
    assert "failed before its first checkpoint (no more room): the same marlbench run" in err
