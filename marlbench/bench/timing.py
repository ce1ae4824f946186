"""How the bench takes time: the processor's on a CPU, the clock's on a GPU, which is waited for."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import torch

__all__ = ["finish", "forget_peak", "peak_bytes", "seconds", "timed"]


def timed(device: str, act: Callable[[], object]) -> float:
    """Give the seconds that a call takes, from a device at rest until it rests again."""
    finish(device)
    begin = seconds(device)
    act()
    finish(device)
    return seconds(device) - begin


def seconds(device: str) -> float:
    """Give the seconds of this process's processor, or of the clock where a GPU works."""
    return time.process_time() if device == "cpu" else time.perf_counter()


def finish(device: str) -> None:
    """Wait until the device has done what it was asked for."""
    if device != "cpu":
        torch.cuda.synchronize()


def forget_peak(device: str) -> None:
    """Count the most memory of a GPU anew; of a process it cannot be."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()


def peak_bytes(device: str) -> int:
    """Give the most memory that was taken: of the GPU's if there is one, else of this process."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
