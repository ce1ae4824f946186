"""A run whose copies live in other processes has the rows of one whose copies live in its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import Env, Step
from marlbench.store import create, files, runs
from marlbench.testing import synthetic
from marlbench.testing.synthetic import Sizes, Synthetic
from tests.training.small_runs import StopAfter, play, rows, small_spec


class Flaky(Synthetic):
    """A synthetic task that crashes now and then, as its seed decides."""

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play, or crash."""
        step = super().step(actions)
        if self._rng.random() < 0.02:
            raise ConnectionError("lost the simulator")
        return step


def flaky(task: str, config: synthetic.SyntheticConfig) -> Env:
    """Build one."""
    return Flaky(Sizes(agents=config.agents, limit=config.limit))


SUITE = replace(synthetic.suite, build=flaky)


def crashes(folder: Path) -> list[dict[str, object]]:
    """The crashes that a run's events tell of, less when they were."""
    events = files.read_rows(folder / "events.jsonl")
    told = ("copy", "error", "env_steps", "during")
    return [{key: each[key] for key in told} for each in events if each["event"] == "env_crash"]


def test_rows_are_equal_in_any_number_of_processes_stopped_and_gone_on_with_in_others(
    tmp_path: Path,
) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert play(small_spec(env_processes=0), alone, SUITE) == 0
    assert len(crashes(alone)) > 5
    folder = create(shared, small_spec(env_processes=2))
    assert play(small_spec(env_processes=2), folder, SUITE, StopAfter(120)) == 130
    assert create(shared, small_spec(env_processes=1)) == folder  # a setting of the machine
    assert play(small_spec(env_processes=1), folder, SUITE, StopAfter(100)) == 130
    assert play(small_spec(env_processes=0), folder, SUITE) == 0
    for name in ("eval.jsonl", "train.jsonl"):
        assert rows(folder / name) == rows(alone / name)
    assert crashes(folder) == crashes(alone)
    resumed = [each for each in runs(shared)[0].events() if each["event"] == "resumed"]
    assert [each["dropped_episodes"] for each in resumed] == [0, 0]


def test_copies_that_step_as_one_are_not_parted(tmp_path: Path) -> None:
    from marlbench.host import load_catalogue

    skirmish = load_catalogue().suite("skirmish")
    spec = small_spec(env_processes=2).model_copy(
        update={"suite": "skirmish", "task": "tiny", "suite_config": skirmish.config().model_dump()}
    )
    assert play(spec, tmp_path, skirmish) == 1
    assert "steps its copies as one: --set run.env_processes=0" in (tmp_path / "FAILED").read_text()
