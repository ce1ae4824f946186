"""What a run ran on: versions, machine, command, and the code's commit."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marlbench.installation import DISTRIBUTION
from marlbench.store.folder import COMMAND
from marlbench.vecenv.agent_index import knows_index

if TYPE_CHECKING:
    from marlbench.plugin import Algorithm, EnvSpec, Suite


def provenance(algorithm: Algorithm, suite: Suite, env: EnvSpec, device: str) -> dict[str, Any]:
    """Give the document `provenance.json` of one attempt."""
    return {
        "algorithm": {
            "name": algorithm.name,
            "paper": algorithm.paper,
            "appearance": asdict(algorithm.appearance),
            **_code(algorithm),
        },
        "suite": {"name": suite.name, **_code(suite)},
        "execution": algorithm.execution,
        "agent_index": knows_index(algorithm, env),
        "env": asdict(env),
        "device": device_name(device),
        "gpu": gpu(device),
        "host": socket.gethostname(),
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
        "command": os.environ.get(COMMAND, " ".join(sys.argv)),
        "git": git_state(Path(__file__)),
        "versions": versions(),
    }


def device_name(device: str) -> str:
    """Give `cpu`, or the GPU's name."""
    if device == "cpu":
        return "cpu"
    import torch

    return torch.cuda.get_device_name()


def gpu(device: str) -> str | None:
    """Give the identifier of the GPU that this process computes on, the same for all that do."""
    if device == "cpu":
        return None
    import torch

    return str(torch.cuda.get_device_properties().uuid)


def versions() -> dict[str, str]:
    """Give the versions of python, of what we compute with and of every installed plugin."""
    plugins = {point.dist for point in entry_points(group="marlbench")}
    found = {dist.name: dist.version for dist in plugins if dist is not None}
    fixed = {name: version(name) for name in (DISTRIBUTION, "numpy", "torch")}
    return {"python": platform.python_version(), **fixed, **found}


def git_state(file: Path) -> dict[str, Any] | None:
    """Give the commit that a file's checkout stands on and whether it was changed since.

    None for a file that its repository does not hold: one of a virtual environment, say, that lies
    in a checkout of something else.
    """
    folder = file.parent
    if _git(folder, "ls-files", "--error-unmatch", file.name) is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:  # nothing was committed yet
        return None
    changes = _git(folder, "status", "--porcelain")
    return {"commit": commit, "dirty": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # no git here, or a file system that hangs: a run needs neither
    return answer.stdout.strip() if answer.returncode == 0 else None


def _code(entry: Algorithm | Suite) -> dict[str, str]:
    """Give the module that an entry's `build` comes from."""
    return {"module": getattr(entry.build, "__module__", "")}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
