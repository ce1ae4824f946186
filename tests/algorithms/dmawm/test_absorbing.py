"""What enters and leaves DMAWM's replay around deaths, ends, time-outs and crashes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.sequence_replay import SequenceReplay
from marlbench_dmawm.absorbing import Batch, absorbed, fields, relabel
from marlbench_dmawm.config import Config

SPEC = EnvSpec(num_agents=2, obs_shape=(3,), num_actions=4, episode_limit=9, noop=0)
NULL = [True, False, False, False]


def step(t: int, *, dead: bool = False, end: str = "", crashed: bool = False) -> Step:
    """Step t of one copy: observations say t, rewards t, all actions but the no-op available."""
    obs = np.full((1, 2, 3), t + 1, np.float32)
    avail = np.tile(~np.array(NULL), (1, 2, 1))
    alive = np.array([[not dead, True]])
    obs[~alive], avail[~alive] = 0, NULL
    return Step(
        obs=obs,
        avail=avail,
        alive=alive,
        reward=np.full((1, 2), t, np.float32),
        first=np.array([t == 0]),
        last=np.array([end != ""]),
        terminal=np.array([end == "terminal"]),
        info={"crashed": np.array([crashed])},
    )


def window(steps: list[Step], length: int, **settings: Any) -> Batch:
    """The only episode that there is, from its first step, as a batch of one."""
    config = Config(tail=2, **settings)
    replay = SequenceReplay(100, 1, fields(SPEC))
    for s in steps:
        replay.add(relabel(s, np.array([[3, 2]]), SPEC, config.bootstrap_timeouts))
    rng = np.random.default_rng(0)
    while True:
        windows = replay.sample(rng, 1, length, tail=2 if config.absorbing_state else 0)
        if windows.fields["first"][0]:
            return absorbed(windows, SPEC, config)


def column(x: object) -> NDArray[Any]:
    return np.asarray(x)[:, 0]  # (T, B=1, ...) to (T, ...)


def test_the_last_step_keeps_what_was_seen_and_absorbing_states_follow() -> None:
    batch = window([step(0), step(1), step(2, end="terminal")], length=7)
    np.testing.assert_array_equal(column(batch.seen)[:, 0], [1] * 7)
    np.testing.assert_array_equal(column(batch.told)[:, 0], [1] * 7)
    np.testing.assert_array_equal(column(batch.reward)[:, 0], [0, 1, 2, 0, 0, 0, 1])
    np.testing.assert_array_equal(column(batch.cont)[:, 1], [1, 1, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(column(batch.present)[:, 1], [1, 1, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(column(batch.obs)[:, 0, 0], [1, 2, 3, 0, 0, 1, 2])
    np.testing.assert_array_equal(column(batch.action)[:, 0], [3, 3, 0, 0, 0, 3, 3])
    for t, null in enumerate([False, False, False, True, True, False, False]):
        np.testing.assert_array_equal(column(batch.avail)[t, 0], NULL if null else ~np.array(NULL))
    np.testing.assert_array_equal(column(batch.joined), [True, *[False] * 4, True, False])


def test_nothing_is_appended_to_a_time_out_and_its_last_step_goes_on() -> None:
    batch = window([step(0), step(1), step(2, end="time-out")], length=5)
    np.testing.assert_array_equal(column(batch.cont)[:, 0], [1] * 5)
    np.testing.assert_array_equal(column(batch.obs)[:, 0, 0], [1, 2, 3, 1, 2])
    np.testing.assert_array_equal(column(batch.action)[2], [0, 0])  # it was ignored
    np.testing.assert_array_equal(column(batch.joined), [True, False, False, True, False])


def test_a_time_out_is_an_end_where_the_setting_says_so_and_a_crash_never() -> None:
    batch = window([step(0), step(1, end="time-out")], length=4, bootstrap_timeouts=False)
    np.testing.assert_array_equal(column(batch.cont)[:, 0], [1, 0, 0, 0])
    np.testing.assert_array_equal(column(batch.obs)[:, 0, 0], [1, 2, 0, 0])
    batch = window([step(0), step(1, end="cut", crashed=True)], length=2, bootstrap_timeouts=False)
    np.testing.assert_array_equal(column(batch.cont)[:, 0], [1, 1])


def test_a_window_that_begins_within_an_episode_is_told_nothing_at_its_first_step() -> None:
    replay = SequenceReplay(100, 1, fields(SPEC))
    for t in range(3):
        replay.add(relabel(step(t), np.array([[3, 2]]), SPEC, bootstrap_timeouts=True))
    windows = replay.sample(np.random.default_rng(0), 50, 3)
    batch = absorbed(windows, SPEC, Config())
    whole = windows.fields["first"][0]
    assert whole.any()
    assert not whole.all()
    np.testing.assert_array_equal(np.asarray(batch.told)[0, :, 0], whole)
    np.testing.assert_array_equal(np.asarray(batch.seen), np.ones((3, 50, 2)))
    inside = windows.joined & windows.fields["first"]
    assert inside[1:].any()
    assert np.asarray(batch.told)[inside].all(), "beginnings behind a join are told all"


@pytest.mark.parametrize(
    ("absent_return", "conts"), [("ends", [1, 0, 0, 0]), ("team", [1, 1, 1, 0])]
)
def test_a_dead_agent_is_absorbed_and_the_team_still_rewarded(
    absent_return: str, conts: list[int]
) -> None:
    dead = [step(t, dead=True) for t in (1, 2)]
    steps = [step(0), *dead, step(3, dead=True, end="terminal")]
    batch = window(steps, length=6, absent_return=absent_return)  # 4 steps and the tail of 2
    np.testing.assert_array_equal(column(batch.cont)[:4, 0], conts)
    np.testing.assert_array_equal(column(batch.cont)[:4, 1], [1, 1, 1, 0])
    np.testing.assert_array_equal(column(batch.present)[:4], [[1, 1], [0, 1], [0, 1], [0, 0]])
    np.testing.assert_array_equal(column(batch.action)[:4, 0], [3, 0, 0, 0])
    np.testing.assert_array_equal(column(batch.obs)[:4, 0, 0], [1, 0, 0, 0])
    np.testing.assert_array_equal(column(batch.avail)[2, 0], NULL)
    np.testing.assert_array_equal(column(batch.reward)[:4], [[0, 0], [1, 1], [2, 2], [3, 3]])
    np.testing.assert_array_equal(column(batch.seen), np.ones((6, 2)))
    np.testing.assert_array_equal(column(batch.told), np.ones((6, 2)))


def test_without_an_absorbing_state_absence_is_told_once_and_then_left_out() -> None:
    """DMAWM-AS: a death is predicted at the step it happens, nothing of that agent later."""
    dead = [step(t, dead=True) for t in (1, 2)]
    steps = [step(0), *dead, step(3, dead=True, end="terminal")]
    batch = window(steps, length=5, absorbing_state=False)  # the fifth is the next beginning
    np.testing.assert_array_equal(column(batch.seen), [[1, 1], [0, 1], [0, 1], [0, 0], [1, 1]])
    np.testing.assert_array_equal(column(batch.told), [[1, 1], [1, 1], [0, 1], [0, 1], [1, 1]])
    np.testing.assert_array_equal(column(batch.among), [[1, 1], [1, 1], [0, 1], [0, 1], [1, 1]])
    np.testing.assert_array_equal(column(batch.cont)[:4], [[1, 1], [0, 1], [0, 1], [0, 0]])


def test_a_step_that_was_made_to_cut_a_crash_is_not_learnt_from() -> None:
    batch = window([step(0), step(1), step(1, end="cut", crashed=True)], length=4)
    np.testing.assert_array_equal(column(batch.seen)[:, 0], [1, 1, 0, 1])
    np.testing.assert_array_equal(column(batch.told)[:, 0], [1, 1, 0, 1])


def test_tasks_without_a_noop_use_action_zero_behind_the_end() -> None:
    spec = replace(SPEC, noop=None)
    row = relabel(step(2, end="terminal"), np.array([[3, 2]]), spec, bootstrap_timeouts=True)
    np.testing.assert_array_equal(row["action"], [[0, 0]])
    np.testing.assert_array_equal(row["avail"][0, 0], ~np.array(NULL))  # it was observed
