"""More env steps for runs that are there: what a grid says of it, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marlbench.errors import UserError
from marlbench.store import Journal, create
from tests.grid.test_launch import grid_of, said

STEPS = "run.steps=7"
LONGER = "run.steps=70_000"


@pytest.mark.usefixtures("tiny")
def test_finished_and_unfinished_runs_are_to_go_on(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, tasks=["2v2"], sets=[STEPS])
    done, diverged = (create(tmp_path, spec) for spec in grid.plan.specs[:2])
    (done / "DONE").write_text("{}")
    facts = {"env_steps": 5, "number": "loss = nan"}
    failed = {"reason": "diverged", "traceback": "", "diverged": facts}
    (diverged / "FAILED").write_text(json.dumps(failed))
    longer = grid_of(tmp_path, tasks=["2v2"], sets=[LONGER])
    assert "1 shorter, to go on to 70,000 env steps" in said(longer)
    assert "1 diverged before, kept as they ended" in said(longer)
    assert longer.todo() == [each for each in longer.folders if each != diverged]
    assert (done / "DONE").exists()  # to look changes nothing


@pytest.mark.usefixtures("tiny")
def test_a_run_that_is_played_is_waited_for(tmp_path: Path) -> None:
    journal = Journal(
        create(tmp_path, grid_of(tmp_path, tasks=["2v2"], sets=[STEPS]).plan.specs[0])
    )
    with pytest.raises(UserError, match=r"of 7 env steps that is being played: wait for its end"):
        grid_of(tmp_path, tasks=["2v2"], sets=[LONGER])
    journal.close()


@pytest.mark.usefixtures("tiny")
def test_a_learner_whose_schedule_runs_to_the_end_says_so_and_is_refused(tmp_path: Path) -> None:
    sets = [STEPS, "tiny.mood=falling"]
    create(tmp_path, grid_of(tmp_path, tasks=["2v2"], sets=sets).plan.specs[0])
    with pytest.raises(UserError, match=r"cannot go on to 70,000: tiny's mood depends on how many"):
        grid_of(tmp_path, tasks=["2v2"], sets=[*sets, LONGER])
