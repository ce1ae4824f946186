"""A run that diverges, from the command line: told, not tried again, exit code 1."""

from __future__ import annotations

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
