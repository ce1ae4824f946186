"""Runs of seconds that the tests of this folder share; as a program, the worker of one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marlbench.config import Evaluation, RunConfig, RunSpec
from marlbench.plugin import Algorithm, Suite
from marlbench.store import files
from marlbench.testing import synthetic
from marlbench.training import worker
from marlbench.training.interrupt import Interrupted, Stop
from tests import linear


def small_spec(steps: int = 300, seed: int = 1, **settings: Any) -> RunSpec:
    """A run of the linear learner on the synthetic task."""
    run = RunConfig(
        steps=steps,
        evaluation=Evaluation(every=100, episodes=4, num_envs=3, final_episodes=8),
        checkpoint_every=60,
        device="cpu",
    )
    run = run.model_copy(update=settings)
    return spec_of(linear.algorithm, {}, synthetic.suite, "random", run, seed)


def spec_of(  # noqa: PLR0913 - what a run is
    algorithm: Algorithm,
    settings: Mapping[str, Any],
    suite: Suite,
    task: str,
    run: RunConfig,
    seed: int,
    **suite_settings: Any,
) -> RunSpec:
    """A run of a learner with settings over its defaults, presets aside."""
    return RunSpec(
        suite=suite.name,
        task=task,
        algorithm=algorithm.name,
        label=algorithm.name,
        seed=seed,
        run=run,
        algorithm_config=algorithm.config(**settings).model_dump(mode="json"),
        suite_config=suite.config(**suite_settings).model_dump(mode="json"),
    )


def play(
    spec: RunSpec, folder: Path, suite: Suite = synthetic.suite, stop: Stop | None = None
) -> int:
    """Work on a run in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    return worker.run(spec, folder, linear.algorithm, suite, stop)


def rows(path: Path) -> list[str]:
    """The lines of a metric file less what may differ between runs, byte for byte."""
    kept = [{k: v for k, v in row.items() if k != "wall"} for row in files.read_rows(path)]
    return [json.dumps(row) for row in kept]


class StopAfter(Stop):
    """A stop that comes at the k-th look."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def check(self) -> None:
        """Count down."""
        self.looks -= 1
        if self.looks <= 0:
            raise Interrupted


class StopAtRows(Stop):
    """A stop that comes when a run has trained so far."""

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__()
        self.metrics, self.count = folder / "train.jsonl", count

    def check(self) -> None:
        """Count the rows."""
        if len(files.read_rows(self.metrics)) >= self.count:
            raise Interrupted


def wait_for_rows(folder: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the worker has trained a little further, or is done."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if len(files.read_rows(folder / "train.jsonl")) >= count:
            return
        time.sleep(0.002)
    assert process.poll() == 0, "the worker did not get on"


def main(folder: Path) -> int:
    """Be the worker process of a small run."""
    stop = Stop()
    stop.listen()
    spec = RunSpec.model_validate_json((folder / "spec.json").read_bytes())
    return play(spec, folder, stop=stop)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
