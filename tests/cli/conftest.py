"""Makes `distributions` importable and installs a tiny learner for workers to find."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "host"))


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the learners `tiny` and `moody`, here and in child processes."""
    from distributions import TINY, install

    site = tmp_path / "site"
    install(site, "acme", {"tiny": TINY})
    monkeypatch.syspath_prepend(site)
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), path])))
