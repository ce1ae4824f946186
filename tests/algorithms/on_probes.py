"""A learner on a probe, whose right answer is known: in a host's run, or held in the hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from marlbench.config import Evaluation, RunConfig
from marlbench.exit_codes import ExitCode
from marlbench.host import load_catalogue
from marlbench.plugin import Agent, Env
from marlbench.store import create, runs
from marlbench.training import worker
from marlbench.vecenv.synchronous import SyncVectorEnv
from tests.training.small_runs import spec_of

COPIES = 8
BEST = [("two_step", 8.0), ("matrix", 8.0), ("deaths", 10.0)]
"""Tasks with the best return in each."""


def learned(
    folder: Path, name: str, task: str, steps: int, seed: int, **settings: object
) -> dict[str, Any]:
    """Run to the end; give the last evaluation, and `training`'s metrics, settings over `quick`."""
    catalogue = load_catalogue()
    algorithm, suite = catalogue.algorithm(name), catalogue.suite("probe")
    evaluation = Evaluation(every=steps, episodes=32, num_envs=32, final_episodes=32)
    run = RunConfig(steps=steps, evaluation=evaluation, device="cpu")
    spec = spec_of(algorithm, {**algorithm.presets["quick"], **settings}, suite, task, run, seed)
    assert worker.run(spec, create(folder, spec), algorithm, suite) == ExitCode.OK
    (record,) = runs(folder)
    return record.evaluations()[-1] | {"training": record.training()[-1]["metrics"]}


def learn(agent: Agent, env: type[Env], updates: int) -> None:
    """Play `COPIES` copies until the learner has learnt so many times."""
    copies = SyncVectorEnv(env, COPIES)
    seeds = np.zeros(COPIES, np.int64)
    step, policy_state = copies.reset(seeds), agent.start(COPIES)
    rng = np.random.default_rng(0)
    while updates:
        actions, policy_state = agent.act(step, policy_state, rng, explore=True)
        agent.observe(step, actions)
        step = copies.step(actions, seeds)
        updates -= agent.update() is not None


def greedy_return(agent: Agent, env: type[Env]) -> float:
    """The team's return of one greedy episode."""
    copies, seeds = SyncVectorEnv(env, 1), np.zeros(1, np.int64)
    step, policy_state, total = copies.reset(seeds), agent.start(1), 0.0
    while not step.last.all():
        actions, policy_state = agent.act(
            step, policy_state, np.random.default_rng(0), explore=False
        )
        step = copies.step(actions, seeds)
        total += float(step.reward[0, 0])
    return total
