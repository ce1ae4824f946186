"""Policies that are kept beside the newest: which, that kills change none, and how they play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from marlbench import store
from marlbench.config import Evaluation, RunConfig, RunSpec
from marlbench.store import files
from marlbench.store.kept import Kept, best, chosen, kept
from marlbench.testing import synthetic
from marlbench.training import evaluation, worker
from marlbench.training.evaluation import Occasion
from marlbench.training.interrupt import Stop
from marlbench.training.policies import state_of
from marlbench.training.replay_segments import Damaged
from marlbench.training.trained import trained
from marlbench.vecenv import synchronous
from tests import linear
from tests.training.small_runs import StopAfter, rows, small_spec


class Moody(linear.Linear):
    """Forgets from a number of updates on what it has learnt."""

    def update(self) -> dict[str, float] | None:
        """Learn, and later overwrite the weights by their negation."""
        metrics = super().update()
        if metrics is not None and self.written > 150:
            with torch.no_grad():
                self.weights.copy_(-self.weights.abs())
        return metrics


MOODY = replace(linear.algorithm, build=Moody)


def spec_that_keeps(keep: str, **protocol: Any) -> RunSpec:
    """A small run whose curve has seven points and whose checkpoints fall between them."""
    asked = Evaluation(every=50, episodes=8, num_envs=3, final_episodes=8, **protocol)
    return small_spec(evaluation=asked, keep_checkpoints=keep, checkpoint_every=80)


def run(spec: RunSpec, results: Path, stop: Stop | None = None) -> Path:
    """Work on a run of the moody learner; give its folder."""
    folder = store.create(results, spec)
    worker.run(spec, folder, MOODY, synthetic.suite, stop)
    return folder


def best_row(folder: Path) -> dict[str, Any]:
    """The curve's first row of the largest return."""
    curve = [row for row in files.read_rows(folder / "eval.jsonl") if row["kind"] == "curve"]
    return max(curve, key=lambda row: row["metrics"]["return"])


def played_by_the_best(folder: Path, spec: RunSpec, occasion: Occasion) -> dict[str, Any]:
    """Play an occasion with the best policy, as it is kept on the disk."""
    env = synchronous.build(synthetic.suite, "random", synthetic.suite.config(), 3)
    agent, _ = trained(folder, spec, MOODY, env.spec, "best")
    return evaluation.score(evaluation.evaluate(agent, env, occasion, spec.seed), env.spec)


def names(folder: Path) -> set[str]:
    """The files of kept policies."""
    return {path.name for path in (folder / "policies").glob("*")}


def test_the_best_policy_is_there_at_the_end_and_plays_its_row_again(tmp_path: Path) -> None:
    spec = spec_that_keeps("best")
    folder = run(spec, tmp_path)
    row = best_row(folder)
    assert 0 < row["step"] < 300, "no test: it should learn, then forget"
    (policy,) = kept(folder)
    assert (policy.point, policy.env_steps) == (row["step"], row["env_steps"])
    assert policy.score == row["metrics"]["return"]
    assert policy.file in names(folder)
    again = played_by_the_best(folder, spec, Occasion("curve", row["step"], 8))
    assert {name: row[name] for name in again} == again
    state, _ = state_of(folder, str(row["step"]))
    assert state["replay"].written == 0
    assert not any(array.any() for array in state["replay"].arrays.values())


def test_one_policy_every_so_many_steps_is_kept(tmp_path: Path) -> None:
    folder = run(spec_that_keeps("every=120"), tmp_path)
    assert [policy.point for policy in kept(folder)] == [150, 250]  # the first at or past each
    assert names(folder) == {"000000150.policy", "000000250.policy"}
    assert chosen(folder, "best") == best(kept(folder))
    with pytest.raises(ValueError, match="keeps no policy '100': kept are 150, 250; newest is al"):
        chosen(folder, "100")


def test_nothing_more_is_kept_where_nobody_asks(tmp_path: Path) -> None:
    folder = run(spec_that_keeps("newest"), tmp_path)
    assert (kept(folder), names(folder), chosen(folder, "newest")) == ((), set(), None)
    with pytest.raises(ValueError, match=r"keeps no policy 'best': run\.keep_checkpoints=best"):
        state_of(folder, "best")


class Killed(BaseException):
    """As a kill: nothing of ours runs any more."""


class KillAfter(StopAfter):
    """A kill at the k-th look, in training or in the middle of an evaluation."""

    def check(self) -> None:
        """Count down."""
        self.looks -= 1
        if self.looks <= 0:
            raise Killed


def same(ours: Sequence[Kept], theirs: Sequence[Kept]) -> bool:
    """Whether policies are the same but for how their files are spelt."""
    return [replace(a, crc=0) for a in ours] == [replace(b, crc=0) for b in theirs]


@pytest.mark.parametrize("keep", ["best", "every=60"])
def test_kills_change_nothing_of_what_is_kept(keep: str, tmp_path: Path) -> None:
    spec = spec_that_keeps(keep, final_of_best=True)
    whole = run(spec, tmp_path / "whole")
    for looks in (70, 90, 120, 33, 150):  # each attempt goes a little further, or not
        with pytest.raises(Killed):
            run(spec, tmp_path / "broken", KillAfter(looks))
    broken = run(spec, tmp_path / "broken", StopAfter(60))
    assert not (broken / "DONE").exists()
    run(spec, tmp_path / "broken")
    assert rows(whole / "eval.jsonl") == rows(broken / "eval.jsonl")
    assert same(kept(whole), kept(broken))
    assert names(whole) == names(broken)
    for policy in kept(whole):
        one, other = (state_of(place, str(policy.point))[0] for place in (whole, broken))
        assert torch.equal(one["weights"], other["weights"])


def test_the_best_policy_is_finally_evaluated_on_the_episodes_of_the_last(tmp_path: Path) -> None:
    spec = spec_that_keeps("best", final_of_best=True)
    folder = run(spec, tmp_path)
    (record,) = store.runs(tmp_path)
    last, champion = record.final(), record.final_of_best()
    assert last is not None
    assert champion is not None
    row = best_row(folder)
    assert (champion["step"], champion["env_steps"]) == (row["step"], row["env_steps"])
    assert champion["seeds"] == last["seeds"]  # paired
    again = played_by_the_best(folder, spec, Occasion("final", 0, 8))
    assert {name: champion[name] for name in again} == again
    assert champion["values"] != last["values"]
    assert len(record.evaluations()) == 7


def test_a_stop_between_the_final_evaluations_writes_neither_twice(tmp_path: Path) -> None:
    spec = spec_that_keeps("best", final_of_best=True)
    whole, looks = run(spec, tmp_path / "whole"), 1
    counted = StopAfter(10**9)
    run(spec, tmp_path / "counted", counted)
    looks = 10**9 - counted.looks
    broken = run(spec, tmp_path / "broken", StopAfter(looks - 2))  # near the end of the second
    assert not (broken / "DONE").exists()
    run(spec, tmp_path / "broken")
    assert rows(whole / "eval.jsonl") == rows(broken / "eval.jsonl")


def test_a_kept_policy_that_is_damaged_says_so(tmp_path: Path) -> None:
    folder = run(spec_that_keeps("best"), tmp_path)
    (name,) = names(folder)
    (folder / "policies" / name).write_bytes(b"nothing")
    with pytest.raises(Damaged, match=f"{name} has checksum"):
        state_of(folder, "best")


@pytest.mark.parametrize("wrong", ["all", "every=", "every=0", "every=-3", "Best", "best "])
def test_what_cannot_be_kept_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        RunConfig(keep_checkpoints=wrong)


def test_a_final_evaluation_of_the_best_needs_one_that_is_kept() -> None:
    protocol = Evaluation(final_of_best=True)
    with pytest.raises(ValidationError, match=r"needs run\.keep_checkpoints=best"):
        RunConfig(evaluation=protocol)
    assert RunConfig(evaluation=protocol, keep_checkpoints="every=5").evaluation.final_of_best
