"""The slots of this machine: places for one run at a time, on its GPUs or cores."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from marlbench.errors import UserError
from marlbench.executors import Resources

__all__ = ["Slot", "cores", "gpus", "slots"]

THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says how much of the processors a container may use."""


@dataclass(frozen=True)
class Slot:
    """A place for one run at a time."""

    name: str
    """What a user reads: `cpu 0`, `gpu 1`."""
    gpu: str
    """The one GPU that a run there sees; empty for none."""
    threads: int
    """Threads that a run there may use."""

    def environment(self) -> dict[str, str]:
        """Give the environment variables of a run in this slot."""
        limits = dict.fromkeys(THREAD_LIMITS, str(self.threads))
        return {**os.environ, **limits, "CUDA_VISIBLE_DEVICES": self.gpu}


def gpus() -> list[str]:
    """Name the GPUs that a run could see, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu.strip() for gpu in visible.split(",") if gpu.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=10
        )
    except subprocess.TimeoutExpired:  # a driver that hangs is no GPU to count on
        return []
    lines = [line for line in listing.stdout.splitlines() if line.startswith("GPU ")]
    return [str(index) for index in range(len(lines))]


def cores() -> int:
    """Count the cores that this process may use: its affinity, and its container's quota."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    usable = usable or 1
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, min(usable, int(quota) // int(period)))
    except (OSError, ValueError):  # no control groups, or `max`: no quota
        return usable


def slots(resources: Resources) -> list[Slot]:
    """Give the slots of this machine: some per GPU, or one per so many cores."""
    found = [] if resources.device == "cpu" else gpus()
    if resources.device == "cuda" and not found:
        raise UserError(
            "run.device is cuda, but this machine shows no GPU; leave it at auto or cpu"
        )
    if found:
        shared = [gpu for _ in range(resources.runs_per_gpu) for gpu in found]
        return [Slot(f"gpu {gpu}", gpu, resources.threads) for gpu in shared[: resources.workers]]
    number = resources.workers or max(1, cores() // resources.threads)
    return [Slot(f"cpu {index}", "", resources.threads) for index in range(number)]
