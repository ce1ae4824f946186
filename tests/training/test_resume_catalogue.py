"""Every algorithm of the catalogue goes on exactly after a stop, and after kills."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench import store
from marlbench.config import Evaluation, RunConfig, RunSpec
from marlbench.host import load_catalogue
from marlbench.plugin import Algorithm
from marlbench.testing import synthetic
from marlbench.testing.trial import Subject
from marlbench.training import worker
from marlbench.training.start import show_cut
from marlbench.vecenv import synchronous
from tests.training import small_runs
from tests.training.small_runs import StopAfter, StopAtRows, rows, wait_for_rows

CATALOGUE = load_catalogue()


def spec_of(algorithm: Algorithm, steps: int) -> RunSpec:
    """A small run on a skirmish, where agents die and every copy can be pickled."""
    suite, settings = CATALOGUE.suite("skirmish"), Subject.of(algorithm, None).settings
    evaluation = Evaluation(every=200, episodes=2, num_envs=2, final_episodes=4)
    run = RunConfig(steps=steps, evaluation=evaluation, checkpoint_every=150, device="cpu")
    return small_runs.spec_of(algorithm, settings, suite, suite.default_task, run, seed=3)


def same_rows(one: Path, other: Path) -> bool:
    """Whether two runs have the same rows, the wall clock apart."""
    names = ("eval.jsonl", "train.jsonl")
    return all(rows(one / name) == rows(other / name) for name in names)


@pytest.mark.parametrize("algorithm", CATALOGUE.algorithms.values(), ids=lambda entry: entry.name)
def test_a_stop_in_the_middle_changes_nothing(algorithm: Algorithm, tmp_path: Path) -> None:
    spec, suite = spec_of(algorithm, steps=700), CATALOGUE.suite("skirmish")
    whole, broken = store.create(tmp_path / "a", spec), store.create(tmp_path / "b", spec)
    assert worker.run(spec, whole, algorithm, suite) == 0
    total = len(rows(whole / "train.jsonl"))
    assert total >= 2, "there is no middle to stop in"
    stop = StopAtRows(broken, total // 2)
    assert worker.run(spec, broken, algorithm, suite, stop) == 130
    assert len(rows(broken / "train.jsonl")) == total // 2
    assert worker.run(spec, broken, algorithm, suite) == 0
    assert same_rows(whole, broken)


@pytest.mark.parametrize("name", ["mappo", "dmawm"])
def test_a_stop_changes_nothing_where_agents_say_numbers(name: str, tmp_path: Path) -> None:
    suite, algorithm = synthetic.suite, CATALOGUE.algorithm(name)
    changes = {"suite": suite.name, "task": suite.default_task, "suite_config": {"kind": "box"}}
    spec = spec_of(algorithm, steps=700).model_copy(update=changes)
    whole, broken = store.create(tmp_path / "a", spec), store.create(tmp_path / "b", spec)
    assert worker.run(spec, whole, algorithm, suite) == 0
    total = len(rows(whole / "train.jsonl"))
    assert total >= 2, "there is no middle to stop in"
    assert worker.run(spec, broken, algorithm, suite, StopAtRows(broken, total // 2)) == 130
    assert worker.run(spec, broken, algorithm, suite) == 0
    assert same_rows(whole, broken)


def test_a_learner_of_discrete_actions_fails_at_once_where_a_suite_did_not_say(
    tmp_path: Path,
) -> None:
    suite = replace(synthetic.suite, actions=lambda task, config: "discrete")
    changes = {"suite": suite.name, "task": suite.default_task, "suite_config": {"kind": "box"}}
    algorithm = CATALOGUE.algorithm("qmix")
    spec = spec_of(algorithm, steps=100).model_copy(update=changes)
    folder = store.create(tmp_path, spec)
    assert worker.run(spec, folder, algorithm, suite) == 1
    assert "qmix needs discrete actions" in (folder / "FAILED").read_text()


@pytest.mark.parametrize("looks", [4, 5, 6])  # one of them on the first step of every episode
def test_copies_that_are_lost_on_a_first_step_do_not_lengthen_the_episode_before(
    looks: int, tmp_path: Path
) -> None:
    suite = replace(CATALOGUE.suite("probe"), copyable=False)
    algorithm, spec = CATALOGUE.algorithm("qmix"), spec_of(CATALOGUE.algorithm("qmix"), steps=100)
    spec = spec.model_copy(update={"suite": "probe", "task": "two_step", "suite_config": {}})
    folder = store.create(tmp_path, spec)
    assert worker.run(spec, folder, algorithm, suite, StopAfter(looks)) == 130
    assert worker.run(spec, folder, algorithm, suite) == 0


def test_an_episode_that_is_cut_on_its_first_step_is_none() -> None:
    algorithm, suite = CATALOGUE.algorithm("qmix"), CATALOGUE.suite("probe")
    env = synchronous.build(suite, "two_step", suite.config(), num_envs=2)
    config = algorithm.config(**Subject.of(algorithm, None).settings)
    agent: Any = algorithm.build(config, env.spec, 1, "cpu")
    step, memory = env.reset(np.arange(2)), agent.start(2)
    for _ in range(3):  # to the end of the first episodes and on to the next
        actions, memory = agent.act(step, memory, np.random.default_rng(0), explore=True)
        agent.observe(step, actions)
        step = env.step(actions, np.arange(2))
    assert step.first.all()
    show_cut(agent, step, memory, np.random.default_rng(0))
    assert agent.replay.ring["length"][: agent.replay.written].tolist() == [2, 2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dmawm", "qmix", "mappo", "mat"])
def test_kills_change_nothing(name: str, tmp_path: Path) -> None:
    spec = spec_of(CATALOGUE.algorithm(name), steps=4000)
    whole, broken = store.create(tmp_path / "a", spec), store.create(tmp_path / "b", spec)
    assert start(whole).wait() == 0
    total, rng, kills = len(rows(whole / "train.jsonl")), random.Random(5), 0
    for part in range(1, 6):
        process = start(broken)
        wait_for_rows(broken, part * total // 6, process)
        time.sleep(rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 4, "the worker was too quick for this test"
    assert start(broken).wait() == 0
    assert same_rows(whole, broken)


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the real worker."""
    command = [sys.executable, "-m", "marlbench.training.worker", str(folder)]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
