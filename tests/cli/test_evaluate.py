"""`marlbench evaluate` and `--of`, from the command line to the rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from marlbench.store import files
from tests.cli.conftest import Call


@pytest.fixture
def played(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: None) -> Path:
    """The folder of a short run that keeps its best policy."""
    monkeypatch.chdir(tmp_path)
    small = ["--suite", "skirmish", "--task", "2v2", "--preset", "smoke", "--steps", "60"]
    keep = ["--set", "run.keep_checkpoints=best", "--set", "run.evaluation.final_of_best=true"]
    assert call("run", "--algo", "tiny", *small, *keep, "--seed", "0", "--workers", "1")[0] == 0
    return Path("results/skirmish/2v2/tiny/seed_0")


def test_a_run_is_evaluated_and_filmed_by_its_best_policy(call: Call, played: Path) -> None:
    code, out, err = call("evaluate", "results", "--episodes", "6", "--seed", "5", "--of", "best")
    assert (code, err) == (0, "")
    first, second, *numbers, last = out.splitlines()
    (kept,) = (played / "policies").iterdir()
    assert first == f"evaluating {played}"
    assert second.startswith("tiny on skirmish/2v2 after ")
    assert second.endswith(" env steps, 6 fresh episodes of seed 5")
    assert numbers
    assert last == f"kept in {played / 'evaluations.jsonl'}"
    (row,) = files.read_rows(played / "evaluations.jsonl")
    assert (row["of"], row["episodes"], row["seed"]) == ("best", 6, 5)
    code, out, err = call("watch", "results", "--episodes", "1", "--of", str(int(kept.stem)))
    assert (code, err) == (0, "")
    assert out.rstrip().endswith(f"the first of the evaluation at {int(kept.stem)}")


MISTAKES = [
    (["--of", "7"], "keeps no policy '7': kept are "),
    (["--of", "last"], "keeps no policy 'last': kept are "),
    (["--task", "2v3"], "has no task '2v3'; did you mean"),
    (["--task", "5v5"], "--task 5v5 has num_agents = 5, the agent was trained on 2v2 with 2"),
    (["--episodes", "0"], "--episodes"),
    (["--seed", "-1"], "--seed"),
]


def test_mistakes_are_told_in_a_line(call: Call, played: Path) -> None:
    for arguments, said in MISTAKES:
        code, _, err = call("evaluate", played, *arguments)
        assert (code, err.count("\n")) == (2, 1), arguments
        assert said in err
    assert not (played / "evaluations.jsonl").exists()


def test_what_may_be_kept_is_said(call: Call, tmp_path: Path) -> None:
    asked = ["--algo", "qmix", "--suite", "skirmish", "--results", tmp_path]
    code, _, err = call("run", *asked, "--set", "run.keep_checkpoints=all")
    assert code == 2
    assert (
        "run.keep_checkpoints cannot be 'all'; it is text, such as newest, best, every=20000" in err
    )
    code, _, err = call("run", *asked, "--set", "run.evaluation.final_of_best=true")
    assert code == 2
    assert "run.evaluation.final_of_best needs run.keep_checkpoints=best" in err
