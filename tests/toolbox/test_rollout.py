"""Rows of a made-up host whose observation says which episode and which step of it they are."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from marlbench.testing.sameness import difference
from marlbench.toolbox.rollout import Rollout, Rows, Stream, stream_gae
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_probe.clocks import Counting

COPIES = 3
STEPS = 7


def host(seed: int, crash: float = 0.0) -> Iterator[Rows]:
    """Rows as a host shows them: episodes of 1 to 6 steps, the reward a row's own number.

    With chance `crash` a copy begins a new episode though the last row did not end the one before.
    """
    rng = np.random.default_rng(seed)
    clock, episode, number = np.zeros(COPIES, int), np.zeros(COPIES, int), 0
    length = rng.integers(1, 7, COPIES)
    while True:
        number += 1
        last = clock == length
        yield {
            "at": np.stack([episode, clock], 1),
            "reward": np.full(COPIES, float(number), np.float32),
            "first": clock == 0,
            "last": last,
            "terminal": last & (length % 2 == 0),
        }
        ends = last | (rng.random(COPIES) < crash)
        clock = np.where(ends, 0, clock + 1)
        episode = episode + ends
        length = np.where(ends, rng.integers(1, 7, COPIES), length)


def streams(rows: Iterator[Rows], rollout: Rollout) -> Iterator[Stream]:
    """What the rollout gives as the rows come in."""
    for row in rows:
        rollout.add(row)
        if rollout.ready:
            yield rollout.take(["at", "reward", "first", "last", "terminal"])


def joined(parts: list[Stream], name: str, after: bool = False) -> NDArray[np.int64]:
    """A field (K * T, E) of K streams."""
    return np.concatenate([(part.next if after else part.now)[name] for part in parts])


def test_every_transition_is_given_once_and_in_order() -> None:
    parts = list(islice(streams(host(0), Rollout(STEPS)), 20))
    now, after = joined(parts, "at"), joined(parts, "at", after=True)  # (20 * T, E, 2)
    assert all(part.now["at"].shape == (STEPS, COPIES, 2) for part in parts)
    assert not joined(parts, "last").any()
    for copy in range(COPIES):
        expected: list[NDArray[np.int64]] = []
        for row in host(0):
            if len(expected) == 20 * STEPS:
                break
            if not row["last"][copy]:
                expected.append(row["at"][copy])
        assert np.array_equal(now[:, copy], expected)
    assert np.array_equal(after[..., 0], now[..., 0])
    assert np.array_equal(after[..., 1], now[..., 1] + 1)
    rows = joined(parts, "reward")
    assert np.array_equal(joined(parts, "reward", after=True), rows + 1)


def test_a_stream_goes_on_but_for_ends_of_episodes_and_its_own_end() -> None:
    for part in islice(streams(host(1), Rollout(STEPS)), 20):
        assert not part.goes_on[-1].any()
        same = part.now["at"][1:, :, 0] == part.now["at"][:-1, :, 0]
        assert np.array_equal(part.goes_on[:-1], same)
        assert np.array_equal(part.goes_on[:-1], ~part.next["last"][:-1])


def test_a_stream_is_ready_as_soon_as_every_last_transitions_outcome_is_known() -> None:
    rollout = Rollout(STEPS)
    seen = np.zeros(COPIES, int)
    previous = None
    for row in islice(host(2), 200):
        rollout.add(row)
        if previous is not None:
            seen += ~previous["last"]
        assert rollout.ready == (seen >= STEPS).all()
        if rollout.ready:
            rollout.take([])
            seen -= STEPS
        previous = row


def test_a_step_that_a_crash_swallowed_is_no_transition() -> None:
    parts = list(islice(streams(host(3, crash=0.2), Rollout(STEPS)), 30))
    now, after = joined(parts, "at"), joined(parts, "at", after=True)
    assert np.array_equal(after[..., 0], now[..., 0])
    assert np.array_equal(after[..., 1], now[..., 1] + 1)
    cut = np.concatenate([~part.goes_on & ~part.next["last"] for part in parts])
    cut[STEPS - 1 :: STEPS] = False  # where streams end
    assert cut.any()


def test_only_a_few_rows_are_kept() -> None:
    rollout = Rollout(STEPS)
    for _ in islice(streams(host(4), rollout), 50):
        assert len(rollout.rows) < 5 * STEPS


def test_rows_are_copied() -> None:
    rollout, obs = Rollout(1), np.zeros((1, 2), np.float32)
    flags = {"first": np.zeros(1, bool), "last": np.zeros(1, bool)}
    for _ in range(2):
        rollout.add(flags | {"obs": obs})
        obs += 1
    assert rollout.take(["obs"]).next["obs"].tolist() == [[[1.0, 1.0]]]


def note(rollout: Rollout) -> None:
    """Note of each row which rows were noted together with it."""
    new = rollout.unnoted()
    rollout.note({"noted": torch.from_numpy(np.full_like(new["reward"], new["reward"].max()))})


@pytest.mark.parametrize("stop", [0, 1, 5, 20, 33])
def test_a_saved_rollout_goes_on_exactly(stop: int) -> None:
    def given(restart: bool) -> list[Stream]:
        rollout, parts = Rollout(STEPS), []
        for index, row in enumerate(islice(host(5), 80)):
            if restart and index == stop:
                saved, rollout = rollout.state_dict(), Rollout(STEPS)
                rollout.load_state_dict(saved)
            rollout.add(row)
            if rollout.ready:
                note(rollout)
                parts.append(rollout.take(["reward", "noted"]))
        return parts

    for ours, theirs in zip(given(restart=True), given(restart=False), strict=True):
        assert difference(vars(ours), vars(theirs)) is None


def test_notes_stay_with_the_rows_they_were_made_for() -> None:
    rollout = Rollout(STEPS)
    for row in islice(host(6), 300):
        rollout.add(row)
        if rollout.ready:
            note(rollout)
            part = rollout.take(["noted"])
            noted = part.noted["noted"].numpy()  # (T, E)
            assert (noted >= part.now["reward"]).all()
            assert (part.next_noted["noted"].numpy() >= noted).all()
            assert np.unique(noted).size <= 3


def test_stream_advantages_are_sums_over_the_rest_of_the_episode() -> None:
    """The definition: A_t = sum_k (gamma lambda)^k delta_{t+k} up to the end, or the cut."""
    gamma, lambda_ = 0.9, 0.8
    part = next(streams(host(7), Rollout(30)))
    rng = np.random.default_rng(0)
    value, next_value = rng.normal(size=(2, 30, COPIES))
    next_value[:-1] = np.where(part.goes_on[:-1], value[1:], next_value[:-1])
    worth = gamma * next_value * ~part.next["terminal"]
    delta = part.next["reward"] + worth - value
    expected = np.zeros_like(delta)
    for t in range(30):
        for copy in range(COPIES):
            k = t
            while True:
                expected[t, copy] += (gamma * lambda_) ** (k - t) * delta[k, copy]
                if not part.goes_on[k, copy]:
                    break
                k += 1
    reward = torch.from_numpy(part.next["reward"]).double()
    discount = gamma * torch.from_numpy(part.goes_on).double()
    ours = stream_gae(reward, discount, torch.from_numpy(value), torch.from_numpy(worth), lambda_)
    torch.testing.assert_close(ours.numpy(), expected)  # float64: its default tolerance of 1e-7


@pytest.mark.parametrize("with_state", [True, False])
def test_a_rollout_holds_real_transitions_of_the_host_and_no_others(with_state: bool) -> None:
    copies, seeds = SyncVectorEnv(Counting, 3), np.arange(3)
    rollout, step = Rollout(20), copies.reset(seeds)
    for index in range(40):
        actions = step.avail.argmax(-1)
        rollout.observe(step, actions, with_state)
        step = copies.step(actions, seeds + index)
    data = rollout.take(["reward", "last", "terminal"])
    time = data.now["obs"][..., 0]  # (T, E, A): the step of the episode
    assert np.array_equal(data.next["reward"], time + 1)
    assert np.array_equal(data.now["first"], time[..., 0] == 0)
    seed = data.now["obs"][..., 0, 2]
    assert np.array_equal(data.next["last"], time[..., 0] + 1 == 3 + seed % 5)
    assert np.array_equal(data.next["terminal"], data.next["last"] & (seed % 2 == 0))
    assert ("state" in data.now) == with_state
    if with_state:
        assert (data.now["state"][..., 0] == time[..., 0]).all()


def test_actions_of_other_copies_than_the_steps_are_refused() -> None:
    step = SyncVectorEnv(Counting, 3).reset(np.arange(3))
    with pytest.raises(AssertionError, match=r"actions \(2, 2\)"):
        Rollout(5).observe(step, np.zeros((2, 2), np.int64))
