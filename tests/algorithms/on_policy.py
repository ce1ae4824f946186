"""What MAPPO and MAT both must: find the best play, value a time-out as told, keep real rows."""

from __future__ import annotations

from itertools import product
from typing import Any, Protocol

import numpy as np
import torch

from marlbench.plugin import Agent, Algorithm, Env
from marlbench.toolbox.rollout import Notes, Rollout, Rows, Stream
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_probe.clocks import Deaths, TimeOut
from marlbench_probe.games import Matrix
from tests.algorithms.on_probes import COPIES, greedy_return, learn

GAMES = [
    (env, best, seed) for (env, best), seed in product([(Matrix, 8.0), (Deaths, 10.0)], range(3))
]
"""Probes with the best return in each, and seeds of learners."""


class Collector(Protocol):
    """A learner that collects a rollout."""

    rollout: Rollout

    def behaviour(self, rows: Rows) -> Notes:
        """What acting knew on rows (R, E, ...)."""
        ...


def collected(agent: Collector) -> Stream:
    """Take what the learner has collected, as it does itself when a rollout is whole."""
    agent.rollout.note(agent.behaviour(agent.rollout.unnoted()))
    return agent.rollout.take(["reward", "value", "last", "terminal"])


def insist_on_real_transitions(stream: Stream) -> None:
    """Hold a stream of the probe `counting`, whose numbers say where they belong, to the host's."""
    time = stream.now["obs"][..., 0]  # (T, E, A): the step of the episode
    assert np.array_equal(stream.next["reward"], time + 1)
    assert np.array_equal(stream.now["first"], time[..., 0] == 0)
    seed = stream.now["obs"][..., 0, 2]
    assert np.array_equal(stream.next["last"], time[..., 0] + 1 == 3 + seed % 5)
    assert np.array_equal(stream.next["terminal"], stream.next["last"] & (seed % 2 == 0))


def build(algorithm: Algorithm, env: type[Env], seed: int, **settings: Any) -> Agent:
    """A learner with short rollouts."""
    torch.set_num_threads(1)
    small = {"num_envs": COPIES, "rollout_steps": 20, "epochs": 10}
    config = algorithm.config.model_validate({**algorithm.defaults, **small, **settings})
    return algorithm.build(config, env().spec, seed, "cpu")


def finds(algorithm: Algorithm, env: type[Env], best: float, seed: int) -> bool:
    """Whether greedy play earns the best return at some time within 60 updates.

    At some time, not at the end: once all play alike, standardised advantages are noise.
    """
    agent = build(algorithm, env, seed)
    for _ in range(6):
        learn(agent, env, updates=10)
        if greedy_return(agent, env) == best:
            return True
    return False


def insist_on_the_worth_of_a_time_out(algorithm: Algorithm, **settings: Any) -> None:
    """With gamma 0.9: 10 if what would have come is counted, else the mean over the ten steps.

    Whether it is, say the settings (`bootstrap_timeouts`).
    """
    # all that comes, and not what the one value of all steps says of it
    agent: Any = build(algorithm, TimeOut, seed=0, gamma=0.9, gae_lambda=1.0, **settings)
    learn(agent, TimeOut, updates=50)
    first = SyncVectorEnv(TimeOut, COPIES).reset(np.zeros(COPIES, np.int64))
    agent.observe(first, np.zeros((COPIES, 2), np.int64))
    rows = agent.rollout.unnoted()
    value = agent.value_norm.denormalise(agent.behaviour(rows)["value"])
    ended = sum((1 - 0.9 ** (10 - t)) / 0.1 for t in range(10)) / 10
    known = 10.0 if settings["bootstrap_timeouts"] else ended
    assert abs(float(value.mean()) - known) < 0.3  # Adam's last steps still move it a little
