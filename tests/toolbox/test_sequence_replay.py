"""Windows of a counting stream: nothing lost, doubled, shifted or glued without saying so."""

import copy

import numpy as np
import pytest

from marlbench.toolbox.sequence_replay import SequenceReplay, Windows

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


def windows(replay: SequenceReplay, length: int, tail: int = 0, seed: int = 0) -> Windows:
    return replay.sample(np.random.default_rng(seed), 400, length, tail)


@pytest.mark.parametrize("moments", [3, 12, 30, 31, 200])
@pytest.mark.parametrize("length", [1, 5, 9, 40])
def test_windows_are_pieces_of_episodes_joined_at_ends_and_beginnings(
    moments: int, length: int
) -> None:
    replay = SequenceReplay(capacity=90, num_envs=NUM_ENVS, fields=FIELDS)
    play(replay, moments)
    drawn = windows(replay, length)
    episode, step = drawn.fields["count"][..., 0], drawn.fields["count"][..., 1]  # (T, B)
    assert drawn.real.all(), "no row is empty"
    assert drawn.joined[0].all()
    follows = ~drawn.joined[1:]
    assert (np.diff(episode, axis=0)[follows] == 0).all()
    assert (np.diff(step, axis=0)[follows] == 1).all()
    # a piece ends at an end, or where play stands, and the next is read from its beginning
    newest = replay.written - 1
    stopped = newest % np.array([4, 7, 11])[episode // 1000] == step
    assert (drawn.fields["last"] | stopped)[:-1][drawn.joined[1:]].all()
    oldest = step == (replay.oldest % np.array([4, 7, 11])[episode // 1000])
    assert (drawn.fields["first"] | oldest)[1:][drawn.joined[1:]].all()


@pytest.mark.parametrize("length", [6, 68])
@pytest.mark.parametrize("lengths", [(4, 7, 11), (70, 70, 70), (30, 70, 120)])
def test_coverage_is_even(length: int, lengths: tuple[int, int, int]) -> None:
    """Each row, the two behind an end too, is sampled as often as any other.

    Where windows were moved back to fit into their episode, of 70 steps the first was read 0.023
    times as often as the mean.
    """
    replay = SequenceReplay(capacity=3 * 840, num_envs=NUM_ENVS, fields=FIELDS)
    play(replay, 840, lengths)  # whole episodes
    drawn = replay.sample(np.random.default_rng(0), 16_000, length, tail=2)
    longest = drawn.real & (drawn.fields["count"][..., 0] >= 2000)  # the third copy's
    for place in (slice(None), slice(1), slice(length - 1, length)):  # all, the first, the last
        counts = np.bincount(drawn.fields["count"][place][longest[place]][:, 1])
        assert len(counts) == lengths[2]
        # five deviations of a count whose expectation is the mean
        assert np.abs(counts - counts.mean()).max() < 5 * np.sqrt(counts.mean())
    ends = [-(-840 // n // 2) for n in lengths]  # every other episode ends truly
    rows = 3 * 840 + 2 * sum(ends)
    # of some 10^5 rows, neighbours of which are alike
    assert 1 - drawn.real.mean() == pytest.approx(2 * sum(ends) / rows, rel=0.2)


def test_every_live_step_is_sampled_and_no_overwritten_one() -> None:
    replay = SequenceReplay(capacity=60, num_envs=NUM_ENVS, fields=FIELDS)
    play(replay, 75)  # 20 rows are kept: moments 55 to 74
    drawn = replay.sample(np.random.default_rng(0), 5000, 6)
    seen = {tuple(pair) for pair in drawn.fields["count"].reshape(-1, 2)}
    expected = {
        (1000 * env + moment // n, moment % n)
        for moment in range(55, 75)
        for env, n in enumerate((4, 7, 11))
    }
    assert seen == expected
    assert len(replay) == 60


def test_rows_of_zeros_follow_true_ends_alone() -> None:
    replay = SequenceReplay(capacity=300, num_envs=NUM_ENVS, fields=FIELDS)
    play(replay, 88)
    drawn = windows(replay, length=30, tail=3)
    for array in drawn.fields.values():
        assert not array[~drawn.real].any()
    behind_end = drawn.fields["terminal"][:-1] & ~drawn.joined[1:]
    assert (~drawn.real[1:])[behind_end].all()
    for b in range(400):
        for t in np.flatnonzero(drawn.fields["terminal"][:-4, b]):
            assert not drawn.real[t + 1 : t + 4, b].any()
            assert drawn.joined[t + 4, b]
            assert drawn.real[t + 4, b]
    timed_out = drawn.fields["last"] & ~drawn.fields["terminal"]
    assert drawn.joined[1:][timed_out[:-1]].all()


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
        restored.load_state_dict(replay.state_dict())
        for each in (replay, restored):
            window = each.newest(length)
            assert [tuple(pair) for pair in window.fields["count"][:, 0].tolist()] == expected
            assert window.real.shape == (len(expected), 1)
            assert window.real.all()
            assert window.joined[:, 0].tolist() == [True] + [False] * (len(expected) - 1)


def test_a_restored_replay_samples_the_same() -> None:
    for moments in (10, 75):
        replay, other = (SequenceReplay(60, NUM_ENVS, FIELDS) for _ in range(2))
        play(replay, moments)
        other.load_state_dict(copy.deepcopy(replay.state_dict()))
        for source in (replay, other):
            play(source, 9)
        ours, theirs = windows(replay, 7, 2), windows(other, 7, 2)
        np.testing.assert_array_equal(ours.real, theirs.real)
        np.testing.assert_array_equal(ours.joined, theirs.joined)
        for name, array in ours.fields.items():
            np.testing.assert_array_equal(array, theirs.fields[name])


def test_restoring_writes_no_more_than_the_rows_that_live() -> None:
    replay, other = (SequenceReplay(60, NUM_ENVS, FIELDS) for _ in range(2))
    play(replay, 4)
    for array in replay.arrays.values():
        array[4:] = 1
    other.load_state_dict(replay.state_dict())
    for name, array in other.arrays.items():
        np.testing.assert_array_equal(array[:4], replay.arrays[name][:4])
        assert not array[4:].any()


def test_empty_replays_and_incomplete_rows_are_refused() -> None:
    replay = SequenceReplay(60, NUM_ENVS, FIELDS)
    with pytest.raises(ValueError, match="the replay is empty"):
        replay.sample(np.random.default_rng(0), 1, 4)
    with pytest.raises(ValueError, match="a row has the fields"):
        replay.add({"count": np.zeros((3, 2))})
