"""Battles of SMAC and SMACv2 on stand-ins of both packages: ends, crashes, hangs, seeds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from standin_of_packages import STANDIN, charge, is_gone, play, smac, smacv2, wait, walk

from marlbench.plugin import Env
from marlbench.testing import check_suite
from marlbench.vecenv.checks import check_step
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_starcraft import marlbench_suites
from marlbench_starcraft.env import Battle
from marlbench_starcraft.game import GameCrash, game_seed
from marlbench_starcraft.tasks import Order

BOTH = pytest.mark.parametrize("make", [smac, smacv2])


@pytest.fixture(autouse=True)
def _packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(STANDIN))
    monkeypatch.setenv("API_STANDIN_LAUNCHES", str(tmp_path / "launches"))


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask for troubles."""
    return lambda *asked: monkeypatch.setenv("API_STANDIN_TROUBLE", " ".join(asked))


def launches(tmp_path: Path) -> list[tuple[int, int]]:
    """Give the process and the seed of every game that was launched."""
    lines = (tmp_path / "launches").read_text().splitlines()
    return [(int(pid), int(seed)) for pid, seed in (line.split() for line in lines)]


@BOTH
def test_steps_are_as_the_spec_says(make: Any) -> None:
    env: Env = make()
    for step in play(env, charge):
        check_step(step, env.spec)
    env.close()


@BOTH
def test_a_win_is_an_end_and_won(make: Any) -> None:
    env: Env = make()
    steps = play(env, charge)
    assert (steps[-1].last, steps[-1].terminal, steps[-1].info["won"]) == (True, True, True)
    assert not any(step.info["won"] for step in steps[:-1])
    total = sum(float(step.reward[0]) for step in steps)
    assert total == pytest.approx(20.0, rel=1e-5)  # sums of float32
    env.close()


@BOTH
def test_running_out_of_time_is_a_time_out_not_an_end(make: Any) -> None:
    env: Env = make()
    steps = play(env, wait)
    assert len(steps) == env.spec.episode_limit + 1
    assert (steps[-1].last, steps[-1].terminal, steps[-1].info["won"]) == (True, False, False)
    assert steps[-1].alive.all()
    env.close()


@BOTH
def test_the_dead_see_nothing_and_may_do_nothing_and_a_defeat_is_an_end(make: Any) -> None:
    env: Env = make()
    steps = play(env, walk)
    assert (steps[-1].terminal, steps[-1].info["won"]) == (True, False)
    deaths = [step for step in steps if not step.alive.all()]
    assert deaths[0].alive.any()
    for step in deaths:
        assert not step.obs[~step.alive].any()
        assert (
            step.avail[~step.alive].nonzero()[1].tolist() == [env.spec.noop] * (~step.alive).sum()
        )
        assert not step.avail[step.alive, env.spec.noop].any()
    assert not deaths[-1].alive.any()
    env.close()


@BOTH
def test_an_action_that_is_not_available_is_refused_and_the_episode_goes_on(make: Any) -> None:
    env: Env = make()
    first = env.reset(0)
    with pytest.raises(
        ValueError, match=r"action 6 of agent 1 is not available.* \[1, 2, 3, 4, 5\]"
    ):
        env.step(np.array([1, 6, *[1] * (env.spec.num_agents - 2)]))
    assert not env.step(wait(first)).last
    env.close()


@BOTH
def test_a_game_that_breaks_in_a_step_raises_and_the_next_reset_has_another(
    make: Any, trouble: Any, tmp_path: Path
) -> None:
    trouble("crash@3")
    env: Env = make()
    with pytest.raises(GameCrash, match=r"connection to the game broke .*BrokenConnection: crash"):
        play(env, wait)
    ((pid, _),) = launches(tmp_path)  # the package would have launched a second one by itself
    assert is_gone(pid)
    trouble()
    assert play(env, charge)[-1].info["won"]
    assert len(launches(tmp_path)) == 2
    env.close()


def test_an_end_without_a_result_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    from marlbench_starcraft import game

    class Mended:
        """A package that gives its tell-tale end without asking anyone for a new game."""

        def __init__(self, seed: int | None, **arguments: Any) -> None:
            pass

        def step(self, actions: list[int]) -> tuple[float, bool, dict[str, Any]]:
            """Give the end."""
            return 0, True, {}

    monkeypatch.setattr(game, "environment", lambda package: Mended)
    with pytest.raises(GameCrash, match="without a result"):
        game.Game(Order("smac", {}, "global")).step(np.zeros(3, np.int64))


@BOTH
def test_a_game_that_breaks_in_a_reset_raises_and_names_the_command_that_looks_for_the_cause(
    make: Any, trouble: Any, tmp_path: Path
) -> None:
    trouble("reset@1")
    env: Env = make()
    with pytest.raises(GameCrash, match=r"did not start.*marlbench env check smac"):
        env.reset(0)
    trouble("reset@2")
    play(env, charge)
    with pytest.raises(GameCrash, match=r"^the connection to the game broke"):
        env.reset(1)
    assert all(is_gone(pid) for pid, _ in launches(tmp_path))
    env.close()


@BOTH
def test_battles_are_asked_and_waited_for_apart(make: Any) -> None:
    one, other, alone = make(), make(), make()
    one.send_reset(3)
    other.send_reset(4)
    first = {4: other.receive(), 3: one.receive()}  # neither waits for the other
    np.testing.assert_array_equal(first[3].obs, alone.reset(3).obs)
    for env, seed in ((one, 3), (other, 4)):
        env.send_step(wait(first[seed]))
    other.receive()
    np.testing.assert_array_equal(one.receive().obs, alone.step(wait(first[3])).obs)
    for env in (one, other, alone):
        env.close()


def test_games_that_hang_together_cost_the_limit_once_and_only_their_own_episodes(
    trouble: Any,
) -> None:
    hanging = iter([True, False, True, *[False] * 9])

    def make() -> Env:
        trouble(*["hang@2"] * next(hanging))
        return smac(step_limit=4.0)

    copies = SyncVectorEnv(make, 3)
    step = copies.reset(np.arange(3))
    seeds = np.arange(3, 6)
    step = copies.step(np.ones((3, 3), np.int64), seeds)
    begin = time.monotonic()
    step = copies.step(np.ones((3, 3), np.int64), seeds)
    assert time.monotonic() - begin < 7  # the limit is 4, in turns it would be 8
    assert step.info["crashed"].tolist() == step.last.tolist() == [True, False, True]
    step = copies.step(np.ones((3, 3), np.int64), seeds)
    assert step.first.tolist() == [True, False, True]
    copies.close()


def test_a_question_that_nobody_waited_for_ends_with_its_game(tmp_path: Path) -> None:
    env = smac()
    play(env, charge)
    first = env.reset(1)
    assert isinstance(env, Battle)
    env.send_step(wait(first))
    fresh = smac()
    np.testing.assert_array_equal(env.reset(2).obs, fresh.reset(2).obs)
    assert len(launches(tmp_path)) == 3
    env.close()
    fresh.close()


@BOTH
def test_a_game_that_hangs_is_killed_after_the_limit(
    make: Any, trouble: Any, tmp_path: Path
) -> None:
    trouble("hang@2")
    env: Env = make(step_limit=0.5)
    with pytest.raises(GameCrash, match=r"a step took longer than 0\.5 s: the game was killed"):
        play(env, wait)
    assert [is_gone(pid) for pid, _ in launches(tmp_path)] == [True]
    env.close()


def test_a_process_that_dies_is_a_crash_that_quotes_its_last_words(trouble: Any) -> None:
    trouble("die@2")
    env = smac()
    with pytest.raises(GameCrash, match="died in a step; last it said: the stand-in is gone"):
        play(env, wait)
    env.close()


def test_a_launch_that_fails_keeps_what_the_game_itself_said(trouble: Any) -> None:
    trouble("launch@1")
    env = smac()
    said = (
        r"the game did not start: BrokenConnection: launch; last it said: SC2_x64: libstdc\+\+\.so"
        r"\.6: cannot open shared object file; try `marlbench env check smac`"
    )
    with pytest.raises(GameCrash, match=said):
        env.reset(0)
    env.close()


def test_a_reset_of_smacv2_that_gives_none_is_read_anew(trouble: Any) -> None:
    trouble("unspawned@1")
    env = smacv2()
    step = env.reset(0)
    assert step.first
    assert step.obs.any()
    env.close()


def test_the_seed_of_a_reset_decides_the_teams_and_places_of_smacv2() -> None:
    one, other = smacv2("terran_10_vs_11"), smacv2("terran_10_vs_11")
    seeds = (3, 4, 2**40)
    sequences = [[play(env, charge, seed)[0].obs for seed in seeds] for env in (one, other)]
    np.testing.assert_array_equal(sequences[0], sequences[1])
    assert all((sequences[0][0] != obs).any() for obs in sequences[0][1:])
    one.close()
    other.close()


def test_the_first_seed_decides_the_games_own_generator(tmp_path: Path) -> None:
    for seed in (7, 7, 8):
        env = smac()
        env.reset(seed)
        env.close()
    assert [seed for _, seed in launches(tmp_path)] == [game_seed(7), game_seed(7), game_seed(8)]
    assert game_seed(7) != game_seed(8)


def test_the_game_is_launched_anew_after_so_many_episodes(tmp_path: Path) -> None:
    env = smac(restart_every=2)
    for seed in range(5):
        play(env, charge, seed)
    assert len(launches(tmp_path)) == 3
    env.close()
    assert all(is_gone(pid) for pid, _ in launches(tmp_path))


def test_a_first_episode_that_is_left_does_not_leave_a_second_game_behind(tmp_path: Path) -> None:
    env = smac()
    env.reset(0)
    env.reset(1)
    (left, _), _ = launches(tmp_path)
    assert is_gone(left)
    env.close()


def test_a_later_episode_that_is_left_is_followed_by_one_in_the_same_game(tmp_path: Path) -> None:
    env = smac()
    play(env, charge, 0)
    env.reset(1)
    env.reset(2)
    assert len(launches(tmp_path)) == 1
    env.close()


def test_no_game_outlives_the_process_that_plays_it(tmp_path: Path) -> None:
    script = (
        f"import sys, time; sys.path[:0] = [{str(STANDIN)!r}, {str(STANDIN.parent)!r}]\n"
        "from standin_of_packages import smac\n"
        "env = smac(); env.reset(0); print('playing', flush=True); time.sleep(600)"
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    player = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert player.stdout is not None
    assert player.stdout.readline() == b"playing\n"
    os.kill(player.pid, signal.SIGKILL)
    player.communicate()
    ((pid, _),) = launches(tmp_path)
    assert is_gone(pid)
    assert list(temporary.glob("marlbench-starcraft-*/*")) == []


def test_both_suites_can_be_played_side_by_side() -> None:
    one, other = smac(), smacv2()
    assert play(one, charge)[-1].info["won"]
    assert play(other, charge)[-1].info["won"]
    one.close()
    other.close()


@pytest.mark.parametrize(("state", "width"), [("global", 48), ("observations", 90), ("both", 138)])
def test_the_state_is_the_one_that_was_asked_for(state: str, width: int) -> None:
    env = smac(state=state)
    step = env.reset(0)
    assert env.spec.state_shape == (width,)
    assert step.state is not None
    assert step.state.shape == (width,)
    if state != "global":
        np.testing.assert_array_equal(step.state[-90:], step.obs.ravel())
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("suite", marlbench_suites(), ids=lambda suite: str(suite.name))
def test_suites_conform_when_every_episode_has_a_game_of_its_own(suite: Any) -> None:
    task = {"smac": "3m"}.get(suite.name, suite.default_task)
    settings = {"restart_every": 1, "launch_spacing": 0}
    assert [each for each in check_suite(suite, task, settings) if not each.passed] == []
