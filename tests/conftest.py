"""What all tests share: one thread per process, one path, and plugins to install."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

# Read by torch when it loads, here and in children: tests share the cores with the runs they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The key of pickled copies: tests leave nothing in the home of whoever runs them.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="marlbench-state-")
sys.path.insert(0, str(Path(__file__).parent / "host"))  # where `distributions` is
# For what tests share, `tests.linear`. Last, so that an installed marlbench is the one tested.
sys.path.append(str(Path(__file__).parents[1]))


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the learners `tiny` and `moody`, here and in child processes."""
    from distributions import TINY, install

    site = tmp_path / "site"
    install(site, "acme", {"tiny": TINY})
    monkeypatch.syspath_prepend(site)
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), path])))
