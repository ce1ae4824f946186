"""The check for a machine with a GPU, tried on the CPU: whole, and out of time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHECK = ROOT / "benchmarks" / "gpu_check.py"


def checked(*options: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run the check from another folder, as a checkout that nobody has installed."""
    command = [sys.executable, str(CHECK), "--device", "cpu", "--tiny", *options]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, timeout=1800
    )


def test_every_part_runs_and_says_what_it_saw(tmp_path: Path) -> None:
    done = checked("--minutes", "30", place=tmp_path)  # where others have the processor
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "torch 2",
        "qmix     metrics 0",
        "qmix-smoke: went on at env step 30, devices ['cpu', 'cpu']",
        ", plain step ms ",
        "widths of smoke: curve after 0 env steps: win ",
        "left out: nothing",
        "wrong: nothing",
    ):
        assert said in done.stdout, (said, done.stdout)


def test_what_does_not_fit_is_left_out_with_a_word(tmp_path: Path) -> None:
    done = checked("--minutes", "0.05", place=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "left out, 3 s are left" in done.stdout or "left out, 2 s are left" in done.stdout
    assert "the same updates on the CPU and on cpu" in done.stdout.splitlines()[-2]
