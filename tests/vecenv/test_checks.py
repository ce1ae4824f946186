"""What must not pass between environments and learners, and what the message says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from marlbench.plugin import EnvSpec
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.vecenv.checks import CheckedVectorEnv, SpecViolation, check_actions, check_step
from marlbench.vecenv.statistics import EpisodeStatistics
from marlbench.vecenv.synchronous import SyncVectorEnv

ENV = Synthetic()
STEP = ENV.reset(1)
SPEC: EnvSpec = ENV.spec


def test_a_good_step_passes() -> None:
    check_step(STEP, SPEC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obs": STEP.obs[:, :3]}, r"obs has shape \(2, 3\).*the spec says \(2, 5\)"),
        ({"obs": STEP.obs.astype(np.float64)}, "dtype float64"),
        ({"obs": STEP.obs * np.float32("nan")}, "not finite"),
        ({"avail": np.zeros((2, 4), bool)}, "no available action"),
        ({"avail": [[True]]}, "avail is a list"),
        ({"reward": np.array([0.0, 1.0], np.float32)}, "different rewards"),
        ({"reward": np.array([np.inf] * 2, np.float32)}, "not finite"),
        ({"state": None}, "state is a NoneType"),
        ({"first": 1}, "first is 1, not a bool"),
        ({"terminal": True}, "terminal but not last"),
        ({"last": True}, "first and last at once"),
    ],
)
def test_a_wrong_step_is_refused_with_the_offending_value(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecViolation, match=message):
        check_step(replace(STEP, **change), SPEC)


def test_each_agent_may_have_a_state_of_its_own() -> None:
    door = CheckedVectorEnv(SyncVectorEnv(lambda: Synthetic(Sizes(own_states=True)), 3))
    step = door.reset(np.array([1, 2, 3]))
    assert step.state is not None
    assert (door.spec.state_shape, step.state.shape) == ((2, 6), (3, 2, 6))


@pytest.mark.parametrize("shape", [(), (3, 6), (2, 6, 1)])
def test_states_that_are_neither_the_teams_nor_the_agents_are_refused(
    shape: tuple[int, ...],
) -> None:
    copies = SyncVectorEnv(Synthetic, 1)
    copies.spec = replace(SPEC, state_shape=shape)
    with pytest.raises(SpecViolation, match=r"neither \(S,\) nor \(2, S\)"):
        CheckedVectorEnv(copies)


def test_individual_rewards_may_differ() -> None:
    apart = replace(STEP, reward=np.array([0.0, 1.0], np.float32))
    check_step(apart, replace(SPEC, reward="individual"))


def test_unavailable_actions_are_refused_but_not_on_a_last_step() -> None:
    step = SyncVectorEnv(Synthetic, 3).reset(np.array([1, 2, 3]))
    actions = step.avail.argmax(-1)
    check_actions(actions, step)
    actions[2, 1] = 0  # the no-op, which is a dead agent's
    with pytest.raises(SpecViolation, match=r"chose action 0 for \(copy, agent\) \(2, 1\)"):
        check_actions(actions, step)
    check_actions(actions, replace(step, last=np.array([False, False, True])))


@pytest.mark.parametrize("action", [-1, 4])
def test_actions_that_do_not_exist_are_refused(action: int) -> None:
    step = SyncVectorEnv(Synthetic, 1).reset(np.array([1]))
    with pytest.raises(SpecViolation, match=f"chose action {action}"):
        check_actions(np.array([[action, 1]]), step)


def test_actions_of_a_wrong_type_are_refused() -> None:
    door = CheckedVectorEnv(SyncVectorEnv(Synthetic, 1))
    step = door.reset(np.array([1]))
    with pytest.raises(SpecViolation, match="float64"):
        door.step(step.avail.argmax(-1).astype(np.float64), np.array([1]))


def test_an_episode_longer_than_its_limit_is_refused() -> None:
    copies = SyncVectorEnv(lambda: Synthetic(Sizes(limit=4, end=0.0, death=0.0)), 1)
    statistics = EpisodeStatistics(replace(copies.spec, episode_limit=3), 1)
    step = copies.reset(np.array([1]))
    for _ in range(3):
        step = copies.step(step.avail.argmax(-1), np.array([1]))
        statistics.add(step)
    step = copies.step(step.avail.argmax(-1), np.array([1]))
    with pytest.raises(SpecViolation, match=r"4 steps.*episode_limit is 3"):
        statistics.add(step)
