"""Windows of a counting stream: nothing lost, doubled, shifted or glued to another episode."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.toolbox.sequence_replay import SequenceReplay

FIELDS: dict[str, tuple[tuple[int, ...], str]] = {"count": ((2,), "int64")}
NUM_ENVS = 3


def play(replay: SequenceReplay, moments: int, lengths: tuple[int, int, int] = (4, 7, 11)) -> None:
    """Write a stream whose field says (episode, step), episodes of fixed lengths per copy.

    Odd episodes end by time-out, even ones truly.
    """
    begun = replay.written
    for moment in range(begun, begun + moments):
        episode = np.array([moment // n for n in lengths])
        step = np.array([moment % n for n in lengths])
        last = step == np.array(lengths) - 1
        replay.add(
            {
                "count": np.stack([1000 * np.arange(3) + episode, step], -1),
                "first": step == 0,
                "last": last,
                "terminal": last & (episode % 2 == 0),
            }
        )


def windows(
    replay: SequenceReplay, length: int, tail: int = 0, seed: int = 0
) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
    return replay.sample(np.random.default_rng(seed), 400, length, tail)


@pytest.mark.parametrize("moments", [3, 12, 30, 31, 200])
@pytest.mark.parametrize("length", [1, 5, 9, 40])
def test_windows_are_unbroken_pieces_of_one_episode(moments: int, length: int) -> None:
    replay = SequenceReplay(capacity=90, num_envs=NUM_ENVS, fields=FIELDS)
    play(replay, moments)
    window, real = windows(replay, length)
    episode, step = window["count"][..., 0], window["count"][..., 1]  # (T, B)
    assert real[0].all()
    assert (np.diff(real.astype(int), axis=0) <= 0).all()  # real steps come first
    both = real[1:] & real[:-1]
    assert (np.diff(episode, axis=0)[both] == 0).all()
    assert (np.diff(step, axis=0)[both] == 1).all()
    for array in window.values():
        assert not array[~real].any()
    stopped = real[:-1] & ~real[1:]  # a window stops early at an end, or where play stands
    newest = replay.written - 1
    at_end = window["last"][:-1] | (
        step[:-1] == newest % np.array([4, 7, 11])[episode[:-1] // 1000]
    )
    assert at_end[stopped].all()


def test_every_live_step_is_sampled_and_no_overwritten_one() -> None:
    replay = SequenceReplay(capacity=60, num_envs=NUM_ENVS, fields=FIELDS)
    play(replay, 75)  # 20 rows are kept: moments 55 to 74
    rng = np.random.default_rng(0)
    window, real = replay.sample(rng, 5000, 6)
    seen = {tuple(pair) for pair in window["count"][real]}
    expected = {
        (1000 * env + moment // n, moment % n)
        for moment in range(55, 75)
        for env, n in enumerate((4, 7, 11))
    }
    assert seen == expected
    assert len(replay) == 60


def test_a_window_is_moved_back_to_end_with_its_episode_and_leaves_room_for_the_tail() -> None:
    replay = SequenceReplay(capacity=300, num_envs=NUM_ENVS, fields=FIELDS)
    play(replay, 88)  # copy 2: eight whole episodes of 11
    window, real = windows(replay, length=6, tail=2)
    whole = window["count"][0, :, 0] // 1000 == 2
    steps = np.sum(real, axis=0)[whole]
    terminal = np.any(window["terminal"], axis=0, keepdims=True)[0, whole]
    timed_out = np.any(window["last"], axis=0, keepdims=True)[0, whole] & ~terminal
    assert (steps[terminal] >= 4).all()  # six less the tail
    assert (steps[terminal] == 4).any()
    assert (steps[timed_out] == 6).all()


def test_short_episodes_are_read_from_their_beginning() -> None:
    replay = SequenceReplay(capacity=300, num_envs=NUM_ENVS, fields=FIELDS)
    play(replay, 44)
    window, _ = windows(replay, length=12)
    assert window["first"][0].all()


@pytest.mark.parametrize(
    ("moments", "length", "expected"),
    [
        (3, 9, [(0, 0), (0, 1), (0, 2)]),  # all there is
        (4, 3, [(0, 1), (0, 2), (0, 3)]),  # the episode has just ended
        (5, 3, [(0, 1), (0, 2), (0, 3)]),  # the next one is younger than a window
        (11, 3, [(2, 0), (2, 1), (2, 2)]),  # no longer
        (72, 9, [(17, 0), (17, 1), (17, 2), (17, 3)]),  # episodes are shorter than a window
        (74, 9, [(17, 0), (17, 1), (17, 2), (17, 3)]),
    ],
)
def test_the_newest_window_is_of_the_episode_that_goes_on_or_the_end_of_the_one_before(
    moments: int, length: int, expected: list[tuple[int, int]]
) -> None:
    for kept in (20, 1000):
        replay = SequenceReplay(capacity=3 * kept, num_envs=NUM_ENVS, fields=FIELDS)
        play(replay, moments)
        restored = SequenceReplay(capacity=3 * kept, num_envs=NUM_ENVS, fields=FIELDS)
        restored.restore(replay.arrays, replay.written)
        for each in (replay, restored):
            window = each.newest(length)
            assert [tuple(pair) for pair in window["count"][:, 0].tolist()] == expected
            assert window["first"].shape == (len(expected), 1)


def test_a_restored_replay_samples_the_same() -> None:
    for moments in (10, 75):
        replay, other = (SequenceReplay(60, NUM_ENVS, FIELDS) for _ in range(2))
        play(replay, moments)
        other.restore({k: v.copy() for k, v in replay.arrays.items()}, replay.written)
        for source in (replay, other):
            play(source, 9)
        ours, real = windows(replay, 7, 2)
        theirs, real_again = windows(other, 7, 2)
        np.testing.assert_array_equal(real, real_again)
        for name, array in ours.items():
            np.testing.assert_array_equal(array, theirs[name])


def test_restoring_writes_no_more_than_the_rows_that_live() -> None:
    replay, other = (SequenceReplay(60, NUM_ENVS, FIELDS) for _ in range(2))
    play(replay, 4)
    for array in replay.arrays.values():
        array[4:] = 1
    other.restore(replay.arrays, replay.written)
    for name, array in other.arrays.items():
        np.testing.assert_array_equal(array[:4], replay.arrays[name][:4])
        assert not array[4:].any()


def test_empty_replays_and_incomplete_rows_are_refused() -> None:
    replay = SequenceReplay(60, NUM_ENVS, FIELDS)
    with pytest.raises(ValueError, match="the replay is empty"):
        replay.sample(np.random.default_rng(0), 1, 4)
    with pytest.raises(ValueError, match="a row has the fields"):
        replay.add({"count": np.zeros((3, 2))})
