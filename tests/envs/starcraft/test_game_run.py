"""A whole run on the real SMACv2 and the stand-in game, which crashes again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from game.installation import install, launched
from numpy.typing import NDArray

from marlbench import store
from marlbench.config import Evaluation, RunConfig, RunSpec
from marlbench.plugin import Env, EnvSpec, Step, Suite
from marlbench.store.reading import read
from marlbench.training import worker
from marlbench_starcraft import build_v2
from marlbench_starcraft.config import Config
from marlbench_starcraft.packages import lack
from tests import linear

COPIES, EVALUATION_COPIES = 2, 2


class Counted:
    """A copy that counts the real steps of training, whose episodes have even seeds."""

    def __init__(self, env: Env, count: Callable[[], None]) -> None:
        """Stand before a copy."""
        self.env, self.count, self.seed = env, count, 0

    @property
    def spec(self) -> EnvSpec:
        """Sizes and limits of the task."""
        return self.env.spec

    def reset(self, seed: int) -> Step:
        """Begin an episode and remember whose it is."""
        self.seed = seed
        return self.env.reset(seed)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play, and count what was played."""
        step = self.env.step(actions)
        if self.seed % 2 == 0:
            self.count()
        return step

    def close(self) -> None:
        """Kill the game."""
        self.env.close()


def test_a_run_whose_game_crashes_finishes_and_counts_every_step_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := lack("smacv2"):
        pytest.skip(reason)
    home = install(tmp_path / "StarCraftII")
    monkeypatch.setenv("SC2PATH", str(home))
    monkeypatch.setenv("STANDIN_CRASH_CHANCE", "0.004")  # three requests a step
    monkeypatch.setenv("STANDIN_SEED", "5")
    played = Counter[str]()

    def build(task: str, config: Config) -> Env:
        return Counted(build_v2(task, config), lambda: played.update(["steps"]))

    tasks = ("protoss_5_vs_5",)
    suite = Suite("smacv2", tasks, build, default_task=tasks[0], config=Config)
    spec = a_run(Config(launch_spacing=0))
    folder = store.create(tmp_path / "results", spec)
    assert worker.run(spec, folder, linear.algorithm, suite) == 0

    record = read(folder)
    assert record.status == "done"
    assert record.progress is not None
    assert played["steps"] == record.progress["env_steps"] >= spec.run.steps
    crashes = record.crashes()
    assert crashes["training"] > 0
    assert [row["step"] for row in record.evaluations()] == [0, 150, 300]
    assert [row["episodes"] for row in record.evaluations()] == [4, 4, 4]
    assert len(launched(home)) >= COPIES + EVALUATION_COPIES + crashes.total()


def a_run(config: Config) -> RunSpec:
    """Give the document of a run of the linear learner."""
    evaluation = Evaluation(every=150, episodes=4, num_envs=EVALUATION_COPIES, final_episodes=4)
    settings: dict[str, Any] = linear.Config(num_envs=COPIES).model_dump()
    return RunSpec(
        suite="smacv2",
        task="protoss_5_vs_5",
        algorithm="linear",
        label="linear",
        seed=1,
        run=RunConfig(steps=300, evaluation=evaluation, checkpoint_every=150, device="cpu"),
        algorithm_config=settings,
        suite_config=config.model_dump(),
    )
