"""What a run says of its GPU's memory, and what becomes of one whose GPU is full.

No GPU is here: torch's three questions to one are answered by the test.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from marlbench import store
from marlbench.exit_codes import ExitCode
from marlbench.process_memory import GIB
from marlbench.testing import synthetic
from marlbench.testing.synthetic import Synthetic
from marlbench.training import worker
from marlbench.training.device_memory import device_memory
from marlbench.training.position import Position
from marlbench.training.progress import Progress
from marlbench.vecenv.seeding import TrainingSeeds
from marlbench.vecenv.statistics import EpisodeStatistics
from marlbench.vecenv.synchronous import SyncVectorEnv
from tests import linear
from tests.training.small_runs import small_spec


def test_a_run_on_a_cpu_says_nothing_of_a_gpu() -> None:
    assert device_memory("cpu")() == {}


def test_what_was_free_is_looked_at_before_and_the_most_that_was_taken_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = [0]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (7 * GIB - taken[0], 8 * GIB))
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: taken[0])
    told = device_memory("cuda")
    taken[0] = 2 * GIB
    assert told() == {"gpu_free_gib": 7.5, "gpu_peak_gib": 2.5}  # with a context of half a GiB


def test_it_is_told_once_updates_were_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("marlbench.store.clock.time.monotonic", lambda: clock[0])
    documents: list[dict[str, Any]] = []
    run = small_spec().run
    progress = Progress(run, documents.append, gpu=lambda: {"gpu_peak_gib": 2.5})
    progress._clock.enter("training")
    step = SyncVectorEnv(Synthetic, 1).reset(np.array([1]))
    now = Position(step, None, TrainingSeeds.of_run(1, 1), EpisodeStatistics(Synthetic().spec, 1))
    for _ in range(2):
        progress.show(now, "training", at_once=True)
        assert "gpu_peak_gib" not in documents[-1]
        now.env_steps += 10
        progress.updated(now.env_steps)
        clock[0] += 2.0
    progress.show(now, "training", at_once=True)
    assert documents[-1]["gpu_peak_gib"] == 2.5


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), 75),
        (RuntimeError("CUDA error: out of memory"), 75),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), 75),
        (RuntimeError("CUDA error: device-side assert triggered"), 1),
        (MemoryError("out of memory"), 1),
    ],
)
def test_a_run_whose_gpu_is_full_says_so_and_what_helps(
    tmp_path: Path, error: Exception, code: int
) -> None:
    class Large(linear.Linear):
        def update(self) -> dict[str, float] | None:
            """Ask for more than there is."""
            raise error

    spec = small_spec()
    algorithm = replace(linear.algorithm, build=Large)
    folder = store.create(tmp_path, spec)
    assert worker.run(spec, folder, algorithm, synthetic.suite) == code
    (record,) = store.runs(tmp_path)
    assert record.status == "failed"
    assert record.failure is not None
    helped = record.failure["reason"].endswith(
        "its GPU needs more room: a lower --runs-per-gpu, smaller networks or batches"
    )
    assert helped is (code == ExitCode.GPU_FULL)
