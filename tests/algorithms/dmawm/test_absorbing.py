"""What enters and leaves DMAWM's replay around deaths, ends, time-outs and crashes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.sequence_replay import SequenceReplay
from marlbench_dmawm.absorbing import Batch, absorbed, fields, relabel

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


def window(steps: list[Step], length: int, tail: int = 2, death_ends: str = "agent") -> Batch:
    """The only episode that there is, as a batch of one."""
    replay = SequenceReplay(100, 1, fields(SPEC))
    for s in steps:
        replay.add(relabel(s, np.array([[3, 2]]), SPEC))
    rows, real = replay.sample(np.random.default_rng(0), 1, length, tail)
    return absorbed(rows, real, SPEC, tail, death_ends)


def column(x: object) -> NDArray[Any]:
    return np.asarray(x)[:, 0]  # (T, B=1, ...) to (T, ...)


def test_a_true_end_is_relabelled_and_followed_by_absorbing_states() -> None:
    batch = window([step(0), step(1), step(2, end="terminal")], length=7)
    np.testing.assert_array_equal(column(batch.weight), [1, 1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(column(batch.reward)[:, 0], [0, 1, 2, 0, 0, 0, 0])
    np.testing.assert_array_equal(column(batch.cont)[:, 1], [1, 1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(column(batch.obs)[:, 0, 0], [1, 2, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(column(batch.action)[:, 0], [3, 3, 0, 0, 0, 0, 0])
    for t in range(2, 7):
        np.testing.assert_array_equal(column(batch.avail)[t], [NULL, NULL])
    np.testing.assert_array_equal(column(batch.first), [True] + [False] * 6)


def test_nothing_is_appended_to_a_time_out_and_its_last_step_goes_on() -> None:
    batch = window([step(0), step(1), step(2, end="time-out")], length=5)
    np.testing.assert_array_equal(column(batch.weight), [1, 1, 1, 0, 0])
    np.testing.assert_array_equal(column(batch.cont)[:3, 0], [1, 1, 1])
    np.testing.assert_array_equal(column(batch.obs)[:, 0, 0], [1, 2, 3, 0, 0])
    np.testing.assert_array_equal(column(batch.action)[2], [0, 0])  # it was ignored


@pytest.mark.parametrize(
    ("death_ends", "conts"), [("agent", [1, 0, 0, 0]), ("episode", [1, 1, 1, 0])]
)
def test_a_dead_agent_is_absorbed_and_the_team_still_rewarded(
    death_ends: str, conts: list[int]
) -> None:
    dead = [step(t, dead=True) for t in (1, 2)]
    steps = [step(0), *dead, step(3, dead=True, end="terminal")]
    batch = window(steps, length=6, death_ends=death_ends)  # 4 steps and the tail of 2
    np.testing.assert_array_equal(column(batch.cont)[:4, 0], conts)
    np.testing.assert_array_equal(column(batch.cont)[:4, 1], [1, 1, 1, 0])
    np.testing.assert_array_equal(column(batch.present)[:4], [[1, 1], [0, 1], [0, 1], [0, 0]])
    np.testing.assert_array_equal(column(batch.action)[:4, 0], [3, 0, 0, 0])
    np.testing.assert_array_equal(column(batch.obs)[:4, 0, 0], [1, 0, 0, 0])
    np.testing.assert_array_equal(column(batch.avail)[2, 0], NULL)
    np.testing.assert_array_equal(column(batch.reward)[:4], [[0, 0], [1, 1], [2, 2], [3, 3]])


def test_a_step_that_was_made_to_cut_a_crash_carries_no_weight() -> None:
    batch = window([step(0), step(1), step(1, end="cut", crashed=True)], length=4)
    np.testing.assert_array_equal(column(batch.weight), [1, 1, 0, 0])
    np.testing.assert_array_equal(column(batch.cont)[:2, 0], [1, 1])


def test_tasks_without_a_noop_use_action_zero_behind_the_end() -> None:
    spec = replace(SPEC, noop=None)
    row = relabel(step(2, end="terminal"), np.array([[3, 2]]), spec)
    np.testing.assert_array_equal(row["action"], [[0, 0]])
    np.testing.assert_array_equal(row["avail"][0, 0], NULL)
