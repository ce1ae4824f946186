"""The chain of episodes: what a row says, where absorbing rows stand, what is lost in a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from marlbench.plugin import EnvSpec, Step
from marlbench_mamba.replay import Batch, ChainedReplay

Play = Callable[[int, int], Iterator[Step]]


def filled(spec: EnvSpec, steps: Iterator[Step], moments: int, **settings: int) -> ChainedReplay:
    """A replay that saw so many moments; the action of an agent is the step's time mod 5."""
    replay = ChainedReplay(
        spec, settings.get("capacity", 1000), bool(settings.get("timeouts_end", 1))
    )
    rng = np.random.default_rng(0)
    for step, _ in zip(steps, range(moments), strict=False):
        replay.observe(step, step.obs[..., 0].astype(np.int64) % 5, rng)
    return replay


def test_a_row_holds_what_its_action_earned(spec: EnvSpec, steps: Play) -> None:
    """The reward that arrives with time t + 1 is t + 1 in these steps."""
    ring = filled(spec, steps(3, 0), 60).ring
    real = slice(0, 100)
    kept = ~ring["fake"][real] & ring["avail"][real].any((1, 2))
    time = ring["obs"][real][kept][..., 0]
    assert len(time) > 50
    assert np.array_equal(ring["reward"][real][kept], time + 1)
    assert np.array_equal(ring["action"][real][kept], time % 5)


@pytest.mark.parametrize("timeouts_end", [0, 1])
def test_two_absorbing_rows_follow_an_end_and_none_a_time_out(
    spec: EnvSpec, steps: Play, timeouts_end: int
) -> None:
    replay = filled(spec, steps(2, 1), 80, timeouts_end=timeouts_end)
    ring = {name: array[: len(replay)] for name, array in replay.ring.items()}
    ends = np.flatnonzero(ring["last"])
    begins = np.concatenate([[0], ends[:-1] + 1])
    kinds = set()
    for begin, end in zip(begins, ends, strict=True):
        fake, done = ring["fake"][begin : end + 1], ring["done"][begin : end + 1]
        length = int((~fake).sum())
        terminal = length % 2 == 0  # in these steps
        kinds.add(terminal)
        assert fake.sum() == (2 if terminal else 0)
        assert not fake[:length].any()
        assert not done[: length - 1].any()
        assert done[length - 1 :].all() == (terminal or timeouts_end)
        if terminal:
            absorbing = slice(begin + length, end + 1)
            assert not ring["obs"][absorbing].any()
            assert not ring["reward"][absorbing].any()
            assert ring["avail"][absorbing].all()
    assert kinds == {False, True}


def test_in_absorbing_rows_every_agent_does_something_random(spec: EnvSpec, steps: Play) -> None:
    replay = filled(spec, steps(4, 6), 800, capacity=4000)
    real = ~replay.ring["fake"][: len(replay)]
    begins = np.flatnonzero(real[:-1] & ~real[1:]) + 1  # the first of each two
    done = replay.ring["action"][begins]  # (N, A)
    assert len(done) > 150
    draws = done.size
    counts = np.bincount(done.ravel(), minlength=5)
    spread = np.sqrt(draws * 0.2 * 0.8)
    assert (np.abs(counts - draws / 5) <= 5 * spread).all()  # five standard deviations
    together = (done[:, 0] == done[:, 1]).mean()
    assert abs(together - 0.2) <= 5 * np.sqrt(0.2 * 0.8 / len(done))


def test_a_crash_ends_an_episode_where_it_was_last_answered(spec: EnvSpec, steps: Play) -> None:
    replay = ChainedReplay(spec, 100, timeouts_end=True)
    rng, ended = np.random.default_rng(0), []
    for step, time in zip(steps(1, 3), range(4), strict=False):
        if time == 3:  # the host's cut, which nobody observed
            cut = {"last": ~step.last, "info": {"crashed": np.array([True])}}
            step = replace(step, **cut)
        ended += replay.observe(step, np.ones((1, 3), np.int64), rng)
    assert ended == [2]
    assert replay.ring["last"][:3].tolist() == [False, True, False]
    assert not replay.ring["done"].any()
    assert replay.ring["reward"][:2, 0].tolist() == [1.0, 2.0]


def test_a_crash_on_the_first_or_second_step_leaves_nothing(spec: EnvSpec, steps: Play) -> None:
    for moments in (1, 2):
        replay = ChainedReplay(spec, 100, timeouts_end=True)
        rng, ended = np.random.default_rng(0), []
        for step, time in zip(steps(1, 3), range(moments), strict=False):
            crash = np.array([time == moments - 1])
            step = replace(step, last=crash, info={"crashed": crash})
            ended += replay.observe(step, np.ones((1, 3), np.int64), rng)
        assert ended == []
        assert len(replay) == 0


def test_windows_are_rows_in_order_and_never_cross_the_newest(spec: EnvSpec, steps: Play) -> None:
    replay = filled(spec, steps(2, 4), 100, capacity=50)
    replay.ring["reward"][:] = -1.0
    for k in range(replay.written - 50, replay.written):
        replay.ring["reward"][k % 50] = k  # rows counted from the first ever written
    rng = np.random.default_rng(1)
    seen = replay.sample(rng, 2000, 7)["reward"][..., 0]  # (T, B)
    assert (np.diff(seen, axis=0) == 1).all()
    assert set(seen[0]) == set(range(replay.written - 50, replay.written - 6))


def test_a_batch_tells_what_an_action_led_to(spec: EnvSpec, steps: Play) -> None:
    replay = filled(spec, steps(2, 5), 60)
    rows = replay.sample(np.random.default_rng(0), 8, 6)
    batch = Batch.of(rows)
    assert np.array_equal(batch.obs.numpy(), rows["obs"][1:])
    assert np.array_equal(batch.last.numpy(), rows["last"][1:])
    assert np.array_equal(batch.action.numpy(), rows["action"][:-1])
    assert np.array_equal(batch.cont.numpy(), 1.0 - rows["done"][:-1])
