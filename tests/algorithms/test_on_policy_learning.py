"""MAPPO and MAT find what is known to be best, and value a time-out as they are told to."""

from typing import Any

import numpy as np
import pytest
import torch

from marlbench.plugin import Agent, Algorithm, Env
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_mappo import marlbench_algorithms as mappo_and_ippo
from marlbench_mat import marlbench_algorithms as mat
from marlbench_probe.clocks import Deaths, TimeOut
from marlbench_probe.games import Matrix

ALGORITHMS = {entry.name: entry for offers in (mappo_and_ippo, mat) for entry in offers()}
COPIES = 8
SMALL = {"num_envs": COPIES, "rollout_steps": 20, "epochs": 10}


def build(algorithm: Algorithm, env: type[Env], seed: int, **settings: Any) -> Agent:
    """A learner with the suite's short rollouts."""
    torch.set_num_threads(1)
    config = algorithm.config.model_validate({**algorithm.defaults, **SMALL, **settings})
    return algorithm.build(config, env().spec, seed, "cpu")


def learn(agent: Agent, env: type[Env], updates: int) -> None:
    """Play until the learner has learnt so many times."""
    copies = SyncVectorEnv(env, COPIES)
    seeds = np.zeros(COPIES, np.int64)
    step, memory = copies.reset(seeds), agent.start(COPIES)
    rng = np.random.default_rng(0)
    while updates:
        actions, memory = agent.act(step, memory, rng, explore=True)
        agent.observe(step, actions)
        step = copies.step(actions, seeds)
        updates -= agent.update() is not None


def greedy_return(agent: Agent, env: type[Env]) -> float:
    """The return of one episode of likeliest actions."""
    copies, seeds = SyncVectorEnv(env, 1), np.zeros(1, np.int64)
    step, memory, total = copies.reset(seeds), agent.start(1), 0.0
    while not step.last.all():
        actions, memory = agent.act(step, memory, np.random.default_rng(0), explore=False)
        step = copies.step(actions, seeds)
        total += float(step.reward[0, 0])
    return total


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("env", "best"), [(Matrix, 8.0), (Deaths, 10.0)])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_best_return_is_found(name: str, env: type[Env], best: float, seed: int) -> None:
    """Found and not kept: once all play alike, standardised advantages are noise."""
    agent = build(ALGORITHMS[name], env, seed)
    for _ in range(6):
        learn(agent, env, updates=10)
        if greedy_return(agent, env) == best:
            return
    pytest.fail(f"the best return, {best}, was not found in 60 updates")


@pytest.mark.slow
@pytest.mark.parametrize("bootstrap", [False, True])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_time_out_is_worth_what_the_setting_says(name: str, bootstrap: bool) -> None:
    """With gamma 0.9: 10 if what would have come is counted, else the mean over the ten steps."""
    agent: Any = build(
        ALGORITHMS[name],
        TimeOut,
        seed=0,
        gamma=0.9,
        gae_lambda=1.0,  # all that comes, and not what the one value of all steps says of it
        bootstrap_timeouts=bootstrap,
        **({"recurrent": False} if name != "mat" else {}),  # with a memory, time can be told
    )
    learn(agent, TimeOut, updates=50)
    copies = SyncVectorEnv(TimeOut, 8)
    agent.observe(copies.reset(np.zeros(8, np.int64)), np.zeros((8, 2), np.int64))
    value = agent.value_norm.denormalise(
        torch.from_numpy(agent.behaviour(agent.rollout.unnoted())["value"])
    )
    known = 10.0 if bootstrap else sum((1 - 0.9 ** (10 - t)) / 0.1 for t in range(10)) / 10
    assert abs(float(value.mean()) - known) < 0.3  # Adam's last steps still move it a little
