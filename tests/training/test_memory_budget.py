"""The memory of a replay: what is counted, what is refused, what is said."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from marlbench.exit_codes import ExitCode
from marlbench.plugin import AlgorithmConfig, Env, EnvSpec, ReplayBuffer, Step
from marlbench.store import files
from marlbench.testing import synthetic
from marlbench.training import memory_budget, worker
from tests import linear
from tests.training.small_runs import play, small_spec

SPEC = EnvSpec(num_agents=3, obs_shape=(44, 44, 3), num_actions=8, episode_limit=9, obs_dtype="u1")
OBS = 44 * 44 * 3 * 3


def buffer(rows: int) -> ReplayBuffer:
    """A replay of pictures alone."""
    return ReplayBuffer({"obs": np.zeros((rows, 3, 44, 44, 3), np.uint8)}, written=0)


def test_a_full_replay_takes_what_is_reserved() -> None:
    nested = {"replay": buffer(5), "deep": {"other": buffer(2), "weights": np.zeros(9)}}
    assert memory_budget.replay_bytes(nested, SPEC, steps=1000) == 7 * OBS


def test_a_short_run_takes_no_more_than_its_steps() -> None:
    need = memory_budget.replay_bytes({"replay": buffer(1000)}, SPEC, steps=80)
    assert 80 * OBS < need < 100 * OBS


def test_a_learner_without_a_replay_takes_nothing() -> None:
    assert memory_budget.replay_bytes({"weights": np.zeros(9)}, SPEC, steps=1000) == 0


def test_what_the_system_says_is_free_is_read(tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "meminfo"
    monkeypatch.setattr(memory_budget, "MEMINFO", file)
    monkeypatch.setattr(memory_budget, "GROUP", tmp_path / "none")
    assert memory_budget.free_bytes() is None
    file.write_text("MemTotal: 9 kB\nMemAvailable:   2048 kB\n")
    assert memory_budget.free_bytes() == 2 * 2**20
    planned = memory_budget.plan({"replay": buffer(100)}, SPEC, 10**6, 2 * 2**20)
    assert planned == {"replay_gib": 0.002, "free_gib": 0.002}
    with pytest.raises(ValueError, match=r"grows to .* set the algorithm's replay_gib lower"):
        memory_budget.plan({"replay": buffer(200)}, SPEC, 10**6, 2 * 2**20)


def test_networks_that_are_too_large_to_learn_are_refused() -> None:
    online = {"weight": torch.zeros(2**16)}
    state = {"online": online, "deep": [torch.zeros(2**10)], "replay": buffer(1)}
    assert memory_budget.growth_bytes(state) == 3 * 4 * (2**16 + 2**10)
    memory_budget.plan(state, SPEC, 10, 2**20)
    online["other"] = torch.zeros(2**16)
    with pytest.raises(ValueError, match=r"the task's 3 agents, 8 actions or its observations"):
        memory_budget.plan(state, SPEC, 10, 2**20)


def test_a_container_may_have_less(tmp_path: Path, monkeypatch: Any) -> None:
    """What is left of its limit, and files in memory that nobody needs count as free."""
    monkeypatch.setattr(memory_budget, "GROUP", tmp_path)
    assert memory_budget.free_of_container() is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert memory_budget.free_of_container() == 450
    assert memory_budget.free_bytes() == 450
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_budget.free_of_container() is None


def test_a_run_notes_it_before_it_plays(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(memory_budget, "GIB", 1)  # a replay of some bytes is none in GiB
    assert play(small_spec(steps=6), tmp_path) == 0
    events = files.read_rows(tmp_path / "events.jsonl")
    (noted,) = [row for row in events if row["event"] == "memory"]
    assert 0 < noted["replay_gib"] < 1e8  # bytes of the linear learner, which has a replay
    assert noted["free_gib"] is None or noted["free_gib"] > 0
    progress = files.read_json(tmp_path / "progress.json")
    assert progress is not None
    told = {key: progress[key] for key in ("replay_gib", "free_gib")}
    assert told.items() <= noted.items()


def test_more_than_the_system_reserves_is_a_line_with_the_remedy(tmp_path: Path) -> None:
    def build(config: AlgorithmConfig, spec: EnvSpec, seed: int, device: str) -> Any:
        np.zeros((1 << 45, 1 << 10), np.uint8)  # 32 PiB: no machine has them
        raise AssertionError("the system reserved 32 PiB")

    greedy = dataclasses.replace(linear.algorithm, build=build)
    assert worker.run(small_spec(), tmp_path, greedy, synthetic.suite) == ExitCode.FAILED
    failure = files.read_json(tmp_path / "FAILED")
    assert failure is not None
    assert failure["reason"].endswith("set the algorithm's replay_gib lower")


HELD = 40 * 2**20
"""Bytes that each copy of the environment below holds."""


class Holding:
    """A copy that holds memory, or starts a process that does."""

    def __init__(self, inside: Env, process: bool) -> None:
        self.inside, self.spec = inside, inside.spec
        self.process: subprocess.Popen[bytes] | None = None
        self.memory = None if process else np.ones(HELD, np.uint8)
        self.starts = process

    def reset(self, seed: int) -> Step:
        """Launch the process, as games are: when they are first played."""
        if self.starts and self.process is None:
            code = f"x = bytearray(b'1' * {HELD}); print(1, flush=True); input()"
            self.process = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            assert self.process.stdout is not None
            self.process.stdout.readline()
        return self.inside.reset(seed)

    def step(self, actions: Any) -> Step:
        """Play."""
        return self.inside.step(actions)

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


@pytest.mark.parametrize("process", [False, True])
def test_what_all_copies_take_is_told_before_the_run_plays(tmp_path: Path, process: bool) -> None:
    build = synthetic.suite.build
    assert build is not None
    suite = dataclasses.replace(
        synthetic.suite,
        copyable=False,
        build=lambda task, config: Holding(build(task, config), process),
    )
    spec = small_spec(steps=6)
    assert play(spec, tmp_path, suite) == 0
    progress = files.read_json(tmp_path / "progress.json")
    assert progress is not None
    copies = linear.algorithm.config(**spec.algorithm_config).num_envs + 3
    assert 0.95 * copies * HELD <= progress["copies_gib"] * 2**30 <= 1.5 * copies * HELD
