"""The machine that figures are of: without it they say nothing.

`python -m marlbench.bench.machine cpu|cuda` prints one line of JSON, and ends with 1 where torch
can use no GPU and one is asked for.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from marlbench.training.memory_budget import free_bytes

__all__ = ["machine"]


def machine(device: str) -> dict[str, str]:
    """Say what this runs on and how busy it is, in words; the GPU by its name if one is asked for.

    Raises RuntimeError where torch can use none.
    """
    free = free_bytes()
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "free memory": "unknown" if free is None else f"{free / 2**30:.0f} GiB",
        "python": platform.python_version(),
        "torch": version("torch"),
        "device": "cpu" if device == "cpu" else gpu(),
    }


def gpu() -> str:
    """Name the GPU; raises RuntimeError where torch can use none."""
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError("there is no GPU here that torch can use: --device cpu")
    return torch.cuda.get_device_name()


def processor() -> str:
    """Name the processor as the system does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    try:
        print(json.dumps(machine(sys.argv[1])))
    except RuntimeError as error:
        sys.exit(str(error))
