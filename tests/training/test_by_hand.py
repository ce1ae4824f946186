"""`marlbench evaluate`: fresh episodes, a row that is no part of the curve, tasks that fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench import store
from marlbench.errors import UserError
from marlbench.exit_codes import ExitCode
from marlbench.plugin import Algorithm, Env
from marlbench.store import files
from marlbench.testing import synthetic
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.training import by_hand, evaluation, worker
from marlbench.training.by_hand import Asked
from marlbench.training.trained import trained
from marlbench.vecenv import synchronous
from tests import linear
from tests.training.small_runs import small_spec


def build(task: str, config: Any) -> Env:
    """Build the task `random`, a longer one, or one of more agents."""
    sizes = {"random": Sizes(), "long": Sizes(limit=20), "crowd": Sizes(agents=3)}
    return Synthetic(sizes[task])


SUITE = replace(synthetic.suite, tasks=("random", "long", "crowd"), build=build)
STOCHASTIC = replace(linear.algorithm, stochastic=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run, in a catalogue of these two."""
    place = store.create(tmp_path, small_spec())
    assert worker.run(small_spec(), place, STOCHASTIC, SUITE) == ExitCode.OK
    entries: tuple[Algorithm, Any] = (STOCHASTIC, SUITE)
    monkeypatch.setattr(worker, "from_catalogue", lambda spec: entries)
    return place


def asked(**changes: Any) -> Asked:
    """Seven episodes of the newest policy where it was trained."""
    return replace(Asked(episodes=7, seed=3, task="random", of="newest"), **changes)


def test_fresh_episodes_are_played_and_their_row_is_no_part_of_the_curve(folder: Path) -> None:
    curve = (folder / "eval.jsonl").read_bytes()
    said = list(by_hand.evaluate(folder, asked()))
    assert (folder / "eval.jsonl").read_bytes() == curve
    (row,) = store.runs(folder.parents[3])[0].by_hand()
    env = synchronous.build(SUITE, "random", SUITE.config(), 3)
    agent, env_steps = trained(folder, small_spec(), STOCHASTIC, env.spec)
    occasion = evaluation.Occasion("by hand", 3, 7)
    for way, scores in ((occasion, row), (replace(occasion, sampled=True), row["sampled"])):
        again = evaluation.score(evaluation.evaluate(agent, env, way, seed=1), env.spec)
        assert {name: scores[name] for name in again} == again
    assert (row["kind"], row["env_steps"], row["episodes"]) == ("by hand", env_steps, 7)
    assert (row["task"], row["of"], row["seed"], row["num_envs"]) == ("random", "newest", 3, 3)
    played = {seed for each in files.read_rows(folder / "eval.jsonl") for seed in each["seeds"]}
    assert played.isdisjoint(row["seeds"])
    values = np.array(row["values"]["return"])
    mean, sd = values.mean(), values.std(ddof=1)
    assert f"  greedy   return     {mean:.2f} (sd {sd:.2f})" in said
    assert any(line.startswith("  sampled  return") for line in said)


def test_rows_are_appended_and_the_seed_decides_the_episodes(folder: Path) -> None:
    for request in (asked(), asked(), asked(seed=4)):
        list(by_hand.evaluate(folder, request))
    one, same, other = ({**row, "wall": 0} for row in files.read_rows(folder / "evaluations.jsonl"))
    assert one == same
    assert set(one["seeds"]).isdisjoint(other["seeds"])


def test_one_episode_has_no_deviation(folder: Path) -> None:
    assert any(
        "return" in line and line.endswith("(sd —)")
        for line in by_hand.evaluate(folder, asked(episodes=1))
    )


def test_another_task_is_played_where_it_fits(folder: Path) -> None:
    list(by_hand.evaluate(folder, asked(task="long")))
    (row,) = files.read_rows(folder / "evaluations.jsonl")
    assert row["task"] == "long"
    with pytest.raises(
        UserError, match="--task crowd has num_agents = 3, the agent was trained on random with 2"
    ):
        list(by_hand.evaluate(folder, asked(task="crowd")))
    assert len(files.read_rows(folder / "evaluations.jsonl")) == 1


def test_what_cannot_be_evaluated_ends_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crowd = '{"episodes": 1, "seed": 0, "task": "crowd", "of": "newest"}'
    assert by_hand.main([str(folder), crowd]) == ExitCode.USAGE
    for file in (folder / "checkpoint").glob("*.agent"):
        file.write_bytes(b"")
    here = crowd.replace("crowd", "random")
    assert by_hand.main([str(folder), here]) == ExitCode.FAILED
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("marlbench: --task crowd has num_agents = 3")
    assert second.startswith(f"marlbench: {folder} cannot be evaluated: Damaged: its checkpoint")
