"""What must not pass between environments and learners, and what the message says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, episode_return
from marlbench.testing.synthetic import Sizes, Synthetic
from marlbench.vecenv.checks import CheckedVectorEnv, SpecViolation, check_actions, check_step
from marlbench.vecenv.statistics import Episode, EpisodeStatistics
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


WON = replace(STEP, first=False, last=True, info={"won": True})


@pytest.mark.parametrize("won", [False, np.True_, np.array(True)])
def test_who_won_is_told_by_a_bool_of_any_kind(won: Any) -> None:
    check_step(replace(WON, info={"won": won}), SPEC)


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({}, r"not only \[\]"),
        ({"battle_won": True}, "not only .'battle_won'.$"),
        ({"won": float("nan")}, "not nan$"),
        ({"won": 1.0}, "not 1.0$"),
        ({"won": None}, "not None$"),
        ({"won": np.array([True, False])}, "not array"),
    ],
)
def test_who_won_is_checked_where_an_episode_ends(info: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecViolation, match=r"the metric win needs info\['won'\].*" + said):
        check_step(replace(WON, info=info), SPEC)
    check_step(replace(WON, info=info), replace(SPEC, metrics=(episode_return(),)))


def test_on_the_way_nothing_need_be_said_of_winning_but_what_is_said_is_checked() -> None:
    check_step(replace(STEP, info={}), SPEC)
    with pytest.raises(SpecViolation, match=r"not 0\.0$"):
        check_step(replace(STEP, info={"won": 0.0}), SPEC)


class Winning(Synthetic):
    """Wins at these time steps, of four."""

    def __init__(self, *won: int) -> None:
        super().__init__(Sizes(limit=4, end=0.0, death=0.0))
        self.at = won

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Say who won at this time alone, with another key elsewhere."""
        step = super().step(actions)
        won = {"won": self._time in self.at} if self.at else {"victory": True}
        return replace(step, info=won)


@pytest.mark.parametrize(("at", "share"), [((4,), 1.0), ((3, 4), 1.0), ((9,), 0.0)])
def test_an_episode_is_won_that_is_won_on_its_last_step(at: tuple[int, ...], share: float) -> None:
    door = CheckedVectorEnv(SyncVectorEnv(lambda: Winning(*at), 2))
    assert [each.values["win"] for each in whole_episodes(door)] == [share] * 4


@pytest.mark.parametrize(("at", "said"), [((2,), "won on the way"), ((), "victory")])
def test_a_win_that_would_be_lost_is_refused(at: tuple[int, ...], said: str) -> None:
    door = CheckedVectorEnv(SyncVectorEnv(lambda: Winning(*at), 2))
    with pytest.raises(SpecViolation, match=said):
        whole_episodes(door)


def whole_episodes(door: CheckedVectorEnv) -> list[Episode]:
    """Give two episodes of each of two copies."""
    statistics = EpisodeStatistics(door.spec, 2)
    step = door.reset(np.array([1, 2]))
    ended = statistics.add(step)
    while len(ended) < 4:
        step = door.step(step.avail.argmax(-1), np.array([3, 4]))
        ended += statistics.add(step)
    return ended


def test_a_refusal_is_one_line_however_large_the_arrays() -> None:
    wide = replace(STEP, obs=np.full_like(STEP.obs, np.nan))
    with pytest.raises(SpecViolation) as refused:
        check_step(wide, SPEC)
    assert str(refused.value) == "an observation is not finite: nan at [0, 0]"
    with pytest.raises(SpecViolation) as refused:
        check_step(replace(STEP, avail=np.zeros_like(STEP.avail)), SPEC)
    assert "\n" not in str(refused.value)


def test_individual_rewards_may_differ() -> None:
    apart = replace(STEP, reward=np.array([0.0, 1.0], np.float32))
    check_step(apart, replace(SPEC, reward="individual"))


def test_unavailable_actions_are_refused_but_not_on_a_last_step() -> None:
    step = SyncVectorEnv(Synthetic, 3).reset(np.array([1, 2, 3]))
    actions = step.avail.argmax(-1)
    check_actions(actions, step, SPEC)
    actions[2, 1] = 0  # the no-op, which is a dead agent's
    with pytest.raises(SpecViolation, match=r"chose action 0 for \(copy, agent\) \(2, 1\)"):
        check_actions(actions, step, SPEC)
    check_actions(actions, replace(step, last=np.array([False, False, True])), SPEC)


@pytest.mark.parametrize("action", [-1, 4])
def test_actions_that_do_not_exist_are_refused(action: int) -> None:
    step = SyncVectorEnv(Synthetic, 1).reset(np.array([1]))
    with pytest.raises(SpecViolation, match=f"chose action {action}"):
        check_actions(np.array([[action, 1]]), step, SPEC)


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
