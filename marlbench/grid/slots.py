"""The slots of this machine: places for one run at a time, on its GPUs or cores."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from marlbench.errors import UserError
from marlbench.executors import Resources
from marlbench.processors import CORES, THREAD_LIMITS, cores

__all__ = ["Slot", "gpus", "slots"]


@dataclass(frozen=True)
class Slot:
    """A place for one run at a time."""

    name: str
    """What a user reads: `cpu 0`, `gpu 1`."""
    gpu: str
    """The one GPU that a run there sees; empty for none."""
    threads: int
    """Threads that a run there may use."""
    cores: int = 1
    """Cores that it may keep busy, with all its processes."""

    def environment(self) -> dict[str, str]:
        """Give the environment variables of a run in this slot."""
        limits = dict.fromkeys(THREAD_LIMITS, str(self.threads))
        granted = {CORES: str(self.cores), "CUDA_VISIBLE_DEVICES": self.gpu}
        return {**os.environ, **limits, **granted}


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


def slots(resources: Resources, runs: int | None = None) -> list[Slot]:
    """Give the slots of this machine: some per GPU, or one per so many cores.

    No more than there are runs, which share all cores: fewer runs have more of them each.
    """
    each, places = resources.threads, _places(resources)[:runs]
    share = max(each, cores() // max(1, len(places)))
    return [Slot(name, gpu, each, share) for name, gpu in places]


def _places(resources: Resources) -> list[tuple[str, str]]:
    """Give the slots' names, each with its GPU."""
    found = [] if resources.device == "cpu" else gpus()
    if resources.device == "cuda" and not found:
        raise UserError(
            "run.device is cuda, but this machine shows no GPU; leave it at auto or cpu"
        )
    if found:
        shared = [gpu for _ in range(_on_each(resources, len(found))) for gpu in found]
        return [(f"gpu {gpu}", gpu) for gpu in shared[: resources.workers]]
    number = resources.workers or max(1, cores() // resources.threads)
    return [(f"cpu {index}", "") for index in range(number)]


def _on_each(resources: Resources, number: int) -> int:
    """Give the runs that may share each of so many GPUs; where memory decides, cores bound them."""
    if resources.runs_per_gpu != "auto":
        return resources.runs_per_gpu
    return max(1, cores() // (resources.threads * number))
