"""How runs end: finally evaluated, or diverged, which is a state and not a gap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from marlbench import store
from marlbench.exit_codes import ExitCode
from marlbench.store import files
from marlbench.testing import synthetic
from marlbench.training import worker
from tests import linear
from tests.training.small_runs import small_spec


class NoLoss(linear.Linear):
    """Its loss is not finite from an update on."""

    def update(self) -> dict[str, float] | None:
        """Say so after some updates."""
        metrics = super().update()
        self.updates = getattr(self, "updates", 0) + (metrics is not None)
        return metrics if metrics is None or self.updates < 3 else {"loss": float("inf")}


class Rotten(linear.Linear):
    """One of its numbers is lost in silence: no metric says so."""

    def state(self) -> dict[str, Any]:
        """Give a number that is lost once something was learnt."""
        lost = torch.tensor([float("nan") if self.optimiser.state else 0.0])
        return super().state() | {"critic": {"bias": lost}}


@pytest.mark.parametrize(
    ("learner", "number"), [(NoLoss, "loss is inf"), (Rotten, "state.critic.bias is not finite")]
)
def test_a_run_that_diverges_ends_as_diverged_with_step_and_number(
    learner: Any, number: str, tmp_path: Path
) -> None:
    folder = store.create(tmp_path, small_spec())
    entry = replace(linear.algorithm, build=learner)
    assert worker.run(small_spec(), folder, entry, synthetic.suite) == ExitCode.FAILED
    (record,) = store.runs(tmp_path)
    assert record.status == "diverged"
    facts = record.failure["diverged"]  # type: ignore[index]
    assert facts["number"] == number
    assert 0 < facts["env_steps"] <= 300
    assert [row["event"] for row in record.events()][-1] == "diverged"
    assert all(np.isfinite(row["metrics"]["return"]) for row in record.evaluations())
    assert record.final() is None


def test_a_run_ends_with_episodes_that_no_point_has_played(tmp_path: Path) -> None:
    folder = store.create(tmp_path, small_spec())
    assert worker.run(small_spec(), folder, linear.algorithm, synthetic.suite) == ExitCode.OK
    (record,) = store.runs(tmp_path)
    final: Any = record.final()
    protocol = small_spec().run.evaluation
    assert (final["step"], final["episodes"]) == (300, protocol.final_episodes)
    assert len(final["seeds"]) == len(final["values"]["return"]) == final["episodes"]
    curve = {seed for row in record.evaluations() for seed in row["seeds"]}
    assert curve.isdisjoint(final["seeds"])
    assert "sampled" not in final
    told = record.progress or {}  # the end of a run is told by what a report says of it
    assert told["scores"]["return"] == record.metrics[0].text(final["metrics"]["return"])
    assert [row["kind"] for row in record.evaluations()] == ["curve"] * 4


def test_a_stochastic_policy_is_evaluated_by_sampling_too(tmp_path: Path) -> None:
    folder = store.create(tmp_path, small_spec())
    entry = replace(linear.algorithm, stochastic=True)
    assert worker.run(small_spec(), folder, entry, synthetic.suite) == ExitCode.OK
    (record,) = store.runs(tmp_path)
    rows: list[Any] = [*record.evaluations(), record.final()]
    for row in rows:
        assert row["sampled"]["seeds"] == row["seeds"]  # the same start states: paired
        assert row["sampled"].keys() >= {"metrics", "values", "lengths"}
    assert any(row["sampled"]["values"] != row["values"] for row in rows)


def test_seconds_are_those_of_one_clock(tmp_path: Path) -> None:
    folder = store.create(tmp_path, small_spec())
    worker.run(small_spec(), folder, linear.algorithm, synthetic.suite)
    walls = [row["wall"] for row in files.read_rows(folder / "eval.jsonl")]
    for wall in walls:
        parts = wall["startup"] + wall["training"] + wall["evaluation"]
        assert wall["seconds"] == pytest.approx(parts, abs=0.002)  # three roundings to a thousandth
    assert walls[0]["training"] < walls[-1]["training"] <= walls[-1]["seconds"]
