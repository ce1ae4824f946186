"""An environment that hangs costs time alone: its run comes to the rows of one that did not."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench import store
from marlbench.exit_codes import ExitCode
from marlbench.grid.scheduler import Scheduler
from marlbench.grid.slots import Slot
from marlbench.plugin import Step
from marlbench.testing import synthetic
from marlbench.testing.synthetic import Synthetic
from marlbench.training import worker
from marlbench.training.interrupt import Stop
from tests import linear
from tests.grid.test_scheduler import Record
from tests.training.small_runs import play, rows, small_spec

FOLDER = "MARLBENCH_TEST_FOLDER"


class Hanging(Synthetic):
    """Hangs once, in the middle of a run that has a checkpoint."""

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Wait for what never comes."""
        folder = Path(os.environ[FOLDER])
        once = folder / "hung"
        if len(list((folder / "checkpoint").glob("*.json"))) == 2 and not once.exists():
            once.touch()
            while True:
                time.sleep(60)
        return super().step(actions)


@pytest.mark.slow
def test_a_hung_environment_is_killed_and_its_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, folder = (store.create(tmp_path / name, small_spec()) for name in ("whole", "hung"))
    assert play(small_spec(), whole) == ExitCode.OK
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv(FOLDER, str(folder))
    command, record = (sys.executable, "-P", "-m", "tests.training.test_hang"), Record()
    grid = Scheduler([Slot("cpu 0", "", 1)], record, backoff=0.05, command=command)
    assert grid.run([folder]).failures == {}
    assert (folder / "hung").exists()
    reasons = [str(said) for word, _, said in record.said if word == "retrying"]
    assert {why.split(" for ")[0] for why in reasons} == {"silent"}
    for name in ("eval.jsonl", "train.jsonl"):
        assert rows(folder / name) == rows(whole / name)


def main(folder: Path) -> int:
    """Be the worker of a run on the task that hangs."""
    stop = Stop()
    stop.listen()
    suite = replace(synthetic.suite, build=lambda task, config: Hanging(), silent_minutes=0.15)
    return worker.run(store.read_spec(folder), folder, linear.algorithm, suite, stop)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
