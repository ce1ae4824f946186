"""The processors that this process may use, and how libraries are told to use fewer."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["CORES", "THREAD_LIMITS", "cores", "granted"]

THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
CORES = "MARLBENCH_CORES"
"""Environment variable in which whoever starts a run says how many cores it may keep busy."""
QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says how much of the processors a container may use."""


def cores() -> int:
    """Count the cores that this process may use: its affinity, and its container's quota."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    usable = usable or 1
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, min(usable, int(quota) // int(period)))
    except (OSError, ValueError):  # no control groups, or `max`: no quota
        return usable


def granted() -> int:
    """Give how many cores this run may keep busy: one, where whoever started it does not say."""
    said = os.environ.get(CORES, "")
    return max(1, int(said)) if said.isdecimal() else 1
