"""What an environment does to its process stays there: no run, grid or command is fooled by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from marlbench.store import RunRecord, runs

pytest.importorskip("pettingzoo")

PLAYED = (
    "Moves",
    "MovesWhenBuilt",
    "Forks",
    "ForksAndEnds",
    "Lingers",
    "closes_stdout",
)
ENDED = {
    "exits": "at last with SystemExit: 0",
    "ends": "code 0",
    "ends_as_interrupted": "code 130",
    "interrupts": "KeyboardInterrupt",
}


def marlbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this folder, in a process of its own, as a user does."""
    here = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.run(
        [sys.executable, "-m", "marlbench", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": here},
        capture_output=True,
        text=True,
        timeout=240,
    )


def played(folder: Path, names: list[str], processes: int) -> tuple[int, dict[str, RunRecord]]:
    """Play these games in a few steps each; give the exit code and the runs by game."""
    settings = (
        f"run.env_processes={processes}",
        "run.evaluation.every=100",
        "run.evaluation.episodes=2",
        "run.evaluation.final_episodes=4",
        "run.evaluation.num_envs=2",
    )
    sets = [part for each in settings for part in ("--set", each)]
    games = ",".join(f"unruly:{name}" for name in names)
    what = ("--algo", "iql", "--suite", "pettingzoo", "--task", games, "--preset", "smoke")
    ran = marlbench(folder, "run", *what, "--seed", "0", "--steps", "100", *sets, "--workers", "2")
    found = {each.spec.task.partition(":")[2]: each for each in runs(folder / "results")}
    assert sorted(found) == sorted(names), ran.stdout + ran.stderr
    return ran.returncode, found


@pytest.mark.parametrize("processes", [0, 1])
def test_games_that_unsettle_their_process_are_played_to_the_end(
    tmp_path: Path, processes: int
) -> None:
    code, found = played(tmp_path, list(PLAYED), processes)
    assert {name: run.status for name, run in found.items()} == dict.fromkeys(PLAYED, "done")
    assert code == 0
    for run in found.values():
        rows = [*run.evaluations(), run.final()]
        assert [row and (row["step"], row["length"]) for row in rows] == [
            (0, 10.0),
            (100, 10.0),
            (100, 10.0),
        ]
    assert (
        "sleep 86421"
        not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    )


@pytest.mark.parametrize("processes", [0, 1])
def test_games_that_end_their_process_are_failed_runs_with_a_reason(
    tmp_path: Path, processes: int
) -> None:
    code, found = played(tmp_path, list(ENDED), processes)
    assert code == 1
    for name, run in found.items():
        assert run.status == "failed"
        reason = json.loads((run.folder / "FAILED").read_bytes())["reason"]
        assert ENDED[name] in reason


def test_a_game_that_exits_as_it_is_built_is_refused_in_one_line(tmp_path: Path) -> None:
    what = ("--algo", "iql", "--suite", "pettingzoo", "--task", "unruly:exits_when_built")
    ran = marlbench(tmp_path, "run", *what)
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == [
        "marlbench: the suite 'pettingzoo' cannot build the task 'unruly:exits_when_built': "
        "SystemExit: licence server not reachable"
    ]


def test_a_check_outlives_what_it_checks(tmp_path: Path) -> None:
    began = time.monotonic()
    for name, said in (("ends", "ended with code 0"), ("exits", "SystemExit")):
        ran = marlbench(tmp_path, "check", "pettingzoo", "--task", f"unruly:{name}")
        assert ran.returncode == 1, ran.stdout
        assert said in ran.stdout
    ran = marlbench(tmp_path, "check", "pettingzoo", "--task", "unruly:MovesWhenBuilt")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert time.monotonic() - began < 200
