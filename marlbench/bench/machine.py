"""The machine that figures are of: without it they say nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from marlbench.training.memory_budget import free_bytes

__all__ = ["machine"]


def machine() -> dict[str, str]:
    """Say what this runs on and how busy it is, in words."""
    free = free_bytes()
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "free memory": "unknown" if free is None else f"{free / 2**30:.0f} GiB",
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def processor() -> str:
    """Name the processor as the system does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
