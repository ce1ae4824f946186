"""Who am I: the index stands in observations where it is asked for, and nothing else changes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.host import load_catalogue
from marlbench.plugin import Algorithm, EnvSpec, Step, Suite
from marlbench.vecenv import synchronous
from marlbench.vecenv.agent_index import knows_index, told, with_agent_index
from marlbench.vecenv.single import SingleEnv, build_single, render

CATALOGUE = load_catalogue()
HIDDEN, TOLD, IMPLIED = (CATALOGUE.algorithms[name] for name in ("mappo", "qmix", "mat"))


def played(suite: Suite, task: str, algorithm: Algorithm, setting: str) -> tuple[Any, list[Step]]:
    """Copies of a task as a learner sees them, and some steps of no-ops or first actions."""
    seen = with_agent_index(suite, algorithm, setting)
    env = synchronous.build(seen, task, suite.config(), 2)
    steps = [env.reset(np.array([2, 4]))]
    for _ in range(5):
        actions = steps[-1].avail.argmax(-1)
        steps.append(env.step(actions, np.array([6, 8])))
    env.close()
    return env, steps


@pytest.mark.parametrize("task", ["3v3", "5v6"])
def test_always_puts_a_one_hot_index_behind_what_is_seen(task: str) -> None:
    suite = CATALOGUE.suites["skirmish"]
    plain, before = played(suite, task, HIDDEN, "as its paper")
    env, steps = played(suite, task, HIDDEN, "always")
    agents, (features,) = env.spec.num_agents, plain.spec.obs_shape
    assert env.spec.obs_shape == (features + agents,)
    for old, new in zip(before, steps, strict=True):
        assert np.array_equal(new.obs[..., :features], old.obs)
        expected = np.eye(agents) * old.alive[..., None]
        assert np.array_equal(new.obs[..., features:], expected)
        assert np.array_equal(new.reward, old.reward)


def test_a_picture_gets_a_channel_as_bright_as_the_agents_share_of_the_team() -> None:
    suite = CATALOGUE.suites["skirmish"]
    plain, (before, *_) = played(suite, "gather44", HIDDEN, "never")
    env, (step, *_) = played(suite, "gather44", HIDDEN, "always")
    *_, channels = plain.spec.obs_shape
    assert env.spec.obs_shape == (44, 44, channels + 1)
    assert np.array_equal(step.obs[..., :channels], before.obs)
    agents = env.spec.num_agents
    shades = [np.unique(step.obs[0, agent, ..., channels]) for agent in range(agents)]
    assert shades == [[255 * (agent + 1) // agents] for agent in range(agents)]


def test_a_dead_agent_is_told_nothing() -> None:
    step = Step(
        obs=np.zeros((2, 3), np.float32),
        avail=np.ones((2, 2), bool),
        alive=np.array([True, False]),
        reward=np.zeros(2, np.float32),
        first=True,
        last=False,
        terminal=False,
    )
    spec = EnvSpec(2, (5,), 2, episode_limit=9, agent_index="observed")
    assert told(step, spec).obs[:, 3:].tolist() == [[1, 0], [0, 0]]


def test_only_what_has_to_change_changes() -> None:
    """The same setting for all: learners that are as asked by themselves see the suite itself."""
    suite = CATALOGUE.suites["skirmish"]
    for algorithm, setting in ((TOLD, "always"), (HIDDEN, "never"), (IMPLIED, "never")):
        assert with_agent_index(suite, algorithm, setting) is suite
    env, _ = played(suite, "3v3", TOLD, "never")
    plain, _ = played(suite, "3v3", TOLD, "as its paper")
    assert env.spec == replace(plain.spec, agent_index="hidden")


def test_who_knows_its_index() -> None:
    spec = EnvSpec(2, (3,), 2, episode_limit=9)
    observed = replace(spec, agent_index="observed")
    hidden = replace(spec, agent_index="hidden")
    assert [knows_index(each, spec) for each in (TOLD, IMPLIED, HIDDEN)] == [
        "told",
        "implied",
        "hidden",
    ]
    assert knows_index(HIDDEN, observed) == "told"
    assert knows_index(TOLD, hidden) == "hidden"
    assert knows_index(IMPLIED, hidden) == "implied"


def test_copies_that_know_their_index_are_pickled_and_drawn() -> None:
    suite = with_agent_index(CATALOGUE.suites["skirmish"], HIDDEN, "always")
    env = synchronous.build(suite, "3v3", suite.config(), 2)
    step = env.reset(np.array([2, 4]))
    blob = synchronous.snapshot(env)
    after = env.step(step.avail.argmax(-1), np.array([6, 8]))
    synchronous.restore(env, blob, step)
    again = env.step(step.avail.argmax(-1), np.array([6, 8]))
    assert pickle.dumps(again.obs) == pickle.dumps(after.obs)
    one = build_single(suite, "3v3", suite.config())
    one.reset(2)
    assert render(suite, one).ndim == 3


class InHalves(SingleEnv):
    """A copy that is asked and waited for apart."""

    def send_reset(self, seed: int) -> None:
        """Ask for `reset`."""
        self.answer = partial(self.reset, seed)

    def send_step(self, actions: NDArray[np.int64]) -> None:
        """Ask for `step`."""
        self.answer = partial(self.step, actions)

    def receive(self) -> Step:
        """Answer."""
        return self.answer()


def test_single_copies_and_copies_in_halves_are_told_as_vectors_are() -> None:
    suite = CATALOGUE.suites["skirmish"]
    vector = suite.build_vector
    assert vector is not None
    single = replace(suite, build_vector=None, build=lambda t, c: SingleEnv(vector(t, c, 1)))
    halves = replace(single, build=lambda t, c: InHalves(vector(t, c, 1)))
    _, expected = played(suite, "3v3", HIDDEN, "always")
    for other in (single, halves):
        _, steps = played(other, "3v3", HIDDEN, "always")
        for one, another in zip(expected, steps, strict=True):
            assert np.array_equal(one.obs, another.obs)
