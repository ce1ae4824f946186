"""The real `smac` and `smacv2`, through our adapter, on the stand-in of the game.

Sizes, whole episodes, wins, losses, time-outs, the dead; a game that crashes, hangs or is late.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import util
from pathlib import Path

import numpy as np
import pytest
from game.installation import install, launched
from numpy.typing import NDArray

from marlbench.installation import pip_install
from marlbench.plugin import Env, Step
from marlbench.vecenv.random_play import random_actions
from marlbench_starcraft import build, build_v2
from marlbench_starcraft.config import Config
from marlbench_starcraft.game import GameCrash
from marlbench_starcraft.packages import lack
from marlbench_starcraft.tasks import Package

PATIENCE = 10.0
"""Seconds that a killed game has to be gone."""
STOP, NORTH, SOUTH, EAST, WEST, FIRST_TARGET = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class Expected:
    """What a task looks like, as the packages themselves say it without the game."""

    agents: int
    actions: int
    obs: int
    state: int
    limit: int
    ally: int
    """Features of an ally in the state, of which the first is health, the third and fourth are
    the place."""
    enemy: int
    """Features of an enemy, health and place first."""


SMAC = {
    "2c_vs_64zg": Expected(2, 70, 332, 342, 400, ally=5, enemy=3),
    "3s5z": Expected(8, 14, 128, 216, 150, ally=7, enemy=6),
    "25m": Expected(25, 31, 250, 950, 150, ally=4, enemy=3),
    "corridor": Expected(6, 30, 156, 282, 400, ally=5, enemy=3),
    "MMM2": Expected(10, 18, 176, 322, 180, ally=7, enemy=6),
    "2s_vs_1sc": Expected(2, 7, 17, 27, 300, ally=5, enemy=3),
    "3m": Expected(3, 9, 30, 48, 60, ally=4, enemy=3),
}
WIDTHS = {
    (5, 5): (92, 82, 130, 120),
    (10, 10): (182, 162, 310, 290),
    (10, 11): (191, 170, 327, 306),
}
WIDTHS |= {(20, 20): (362, 322, 820, 780), (20, 23): (389, 346, 901, 858)}
"""Observation of protoss and of the others, state of protoss and of the others."""
SMACV2 = {
    f"{race}_{allies}_vs_{enemies}": Expected(
        *(allies, 6 + enemies, widths[race != "protoss"], widths[2 + (race != "protoss")], 200),
        ally=7 + (race == "protoss"),
        enemy=6 + (race == "protoss"),
    )
    for (allies, enemies), widths in WIDTHS.items()
    for race in ("protoss", "terran", "zerg")
}
TASKS = [("smac", task) for task in SMAC] + [("smacv2", task) for task in SMACV2]
SMALL = [("smac", "3m"), ("smacv2", "protoss_5_vs_5")]
EXPECTED = SMAC | SMACV2

Open = Callable[..., Env]
Policy = Callable[[Step], NDArray[np.int64]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of the stand-in, where the packages look for the game."""
    path = install(tmp_path / "StarCraftII")
    monkeypatch.setenv("SC2PATH", str(path))
    return path


@pytest.fixture
def play_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a task of a package on a game with faults; skips where the package is not there."""
    envs: list[Env] = []

    def start(package: Package, task: str, config: Config | None = None, **faults: str) -> Env:
        if reason := lack(package):
            pytest.skip(reason)
        if util.find_spec("pysc2") is None:
            pytest.skip(f"pysc2 is not installed: {pip_install('sc2')}")
        for key, value in faults.items():
            monkeypatch.setenv(f"STANDIN_{key}", value)
        config = config or Config(launch_spacing=0)
        envs.append((build if package == "smac" else build_v2)(task, config))
        return envs[-1]

    yield start
    for env in envs:
        env.close()
    assert not running(launched(home))


def running(processes: list[int]) -> list[int]:
    """Give those that still live after `PATIENCE`: a kill takes a moment on a busy machine."""
    end = time.monotonic() + PATIENCE
    while (living := [each for each in processes if alive(each)]) and time.monotonic() < end:
        time.sleep(0.05)
    return living


def alive(process: int) -> bool:
    """Ask whether a process lives; the dead that nobody has fetched do not."""
    ask = ["ps", "-o", "stat=", "-p", str(process)]
    state = subprocess.run(ask, capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def at_random(seed: int) -> Policy:
    """Give a policy that takes any available action."""
    return partial(random_actions, rng=np.random.default_rng(seed))


def stop(step: Step) -> NDArray[np.int64]:
    """Stand still, whoever lives."""
    return np.where(step.alive, STOP, 0)


def charge(task: Expected) -> Policy:
    """Give a policy that attacks whom it can, or goes where the nearest enemy is."""

    def policy(step: Step) -> NDArray[np.int64]:
        assert step.state is not None
        ours = task.agents * task.ally
        theirs = (task.actions - FIRST_TARGET) * task.enemy
        allies = step.state[:ours].reshape(-1, task.ally)[:, 2:4]  # (A, 2)
        enemies = step.state[ours : ours + theirs].reshape(-1, task.enemy)
        places = enemies[enemies[:, 0] > 0, 1:3]
        return np.array(
            [_charge(step.avail[agent], places - allies[agent]) for agent in range(task.agents)]
        )

    return policy


def _charge(avail: NDArray[np.bool_], ways: NDArray[np.float32]) -> int:
    """Choose for one agent, from the ways (enemies, 2) to those that live."""
    targets = np.flatnonzero(avail[FIRST_TARGET:])
    if len(targets):
        return FIRST_TARGET + int(targets[0])
    if avail[0]:
        return 0
    x, y = ways[np.abs(ways).sum(-1).argmin()] if len(ways) else (0.0, 0.0)
    across, along = EAST if x > 0 else WEST, NORTH if y > 0 else SOUTH
    wishes = (across, along) if abs(x) > abs(y) else (along, across)
    return next((wish for wish in wishes if avail[wish]), STOP)


def episode(env: Env, policy: Policy, seed: int) -> list[Step]:
    """Play an episode; give its steps, of which every one must be as the contract says."""
    steps = [env.reset(seed)]
    while not steps[-1].last:
        steps.append(env.step(policy(steps[-1])))
    for step in steps:
        gone = ~step.alive
        assert not step.obs[gone].any()
        assert not step.avail[gone, 1:].any()
        assert not step.avail[step.alive, 0].any()
        assert step.first == (step is steps[0])
    assert len(steps) - 1 <= env.spec.episode_limit
    return steps


def total(steps: list[Step]) -> float:
    """Give the return of an episode."""
    return float(sum(step.reward[0] for step in steps))


@pytest.mark.parametrize(("package", "task"), TASKS)
def test_every_task_has_its_sizes_and_plays_to_a_real_end(
    play_on: Open, package: Package, task: str
) -> None:
    env, expected = play_on(package, task), EXPECTED[task]
    spec = env.spec
    assert (spec.num_agents, spec.num_actions, spec.episode_limit) == (
        *(expected.agents, expected.actions, expected.limit),
    )
    assert (spec.obs_shape, spec.state_shape) == ((expected.obs,), (expected.state,))
    for seed in range(2):  # the second one by the reset that respawns
        steps = episode(env, at_random(seed), seed)
        assert steps[0].alive.all()
        assert steps[0].obs.any(axis=-1).all()
        if steps[-1].terminal and not steps[-1].info["won"]:
            assert not steps[-1].alive.all()


@pytest.mark.parametrize(("package", "task"), TASKS)
def test_every_task_can_be_won(play_on: Open, package: Package, task: str) -> None:
    env = play_on(package, task, PASSIVE="1")
    for seed in range(2):
        steps = episode(env, charge(EXPECTED[task]), seed)
        assert steps[-1].terminal
        assert steps[-1].info["won"]
        assert total(steps) > 10  # near 20; SMACv2 scales by the first episode's enemies for good


@pytest.mark.parametrize(("package", "task"), [("smac", "25m"), ("smacv2", "terran_10_vs_11")])
def test_whoever_plays_at_random_loses(play_on: Open, package: Package, task: str) -> None:
    env = play_on(package, task)
    for seed in range(3):
        steps = episode(env, at_random(seed), seed)
        assert steps[-1].terminal
        assert not steps[-1].info["won"]
        assert total(steps) < 15
        assert any(0 < step.alive.sum() < env.spec.num_agents for step in steps), "all at once"


@pytest.mark.parametrize(("package", "task"), SMALL)
def test_a_battle_in_which_nothing_happens_is_a_time_out(
    play_on: Open, package: Package, task: str
) -> None:
    env = play_on(package, task, PASSIVE="1")
    steps = episode(env, stop, seed=1)
    assert len(steps) - 1 == EXPECTED[task].limit
    assert (steps[-1].last, steps[-1].terminal, steps[-1].info["won"]) == (True, False, False)
    assert episode(env, charge(EXPECTED[task]), seed=2)[-1].terminal  # and the next is played


@pytest.mark.parametrize(("package", "task"), SMALL)
@pytest.mark.parametrize("moment", ["action:10", "step:10", "observation:12"])
def test_a_crash_in_a_step_is_told_and_a_reset_goes_on(
    play_on: Open, home: Path, package: Package, task: str, moment: str
) -> None:
    env = play_on(package, task, CRASH_AT=moment, FAULTY_LAUNCHES="1")
    with pytest.raises(GameCrash):
        episode(env, stop, seed=1)
    assert not running(launched(home))
    assert episode(env, at_random(1), seed=1)[-1].last
    assert len(launched(home)) == 2


FIRST, LATER = "first", "later"


@pytest.mark.parametrize(
    ("package", "moment", "reset"),
    [
        *(("smac", "ping:1", FIRST), ("smac", "create_game:1", FIRST)),
        *(("smac", "observation:1", FIRST), ("smac", "debug:1", LATER)),
        *(("smacv2", "join_game:1", FIRST), ("smacv2", "data:1", FIRST)),
        *(("smacv2", "debug:2", FIRST), ("smacv2", "debug:3", LATER), ("smacv2", "data:2", LATER)),
    ],
)
def test_a_crash_in_a_reset_is_told_and_the_next_reset_goes_on(
    play_on: Open, home: Path, package: Package, moment: str, reset: str
) -> None:
    task = dict(SMALL)[package]
    env = play_on(package, task, CRASH_AT=moment, FAULTY_LAUNCHES="1")
    if reset == LATER:
        episode(env, at_random(0), seed=0)
    with pytest.raises(GameCrash):
        env.reset(1)
    steps = episode(env, at_random(1), seed=1)
    assert steps[0].alive.all()
    assert steps[-1].last
    assert len(launched(home)) == 2


@pytest.mark.parametrize(("package", "task"), SMALL)
@pytest.mark.parametrize("moment", ["step:10", "join_game:1"])
def test_a_game_that_hangs_is_killed_at_the_time_limit(
    play_on: Open, home: Path, package: Package, task: str, moment: str
) -> None:
    config = Config(launch_spacing=0, step_limit=1.5, launch_limit=6)
    env = play_on(package, task, config, HANG_AT=moment, FAULTY_LAUNCHES="1")
    begin = time.monotonic()
    with pytest.raises(GameCrash, match="took longer than"):
        episode(env, stop, seed=1)
    assert time.monotonic() - begin < 30  # far from pysc2's own 360 seconds
    assert not running(launched(home))


@pytest.mark.parametrize(("package", "task"), SMALL)
def test_late_answers_within_the_limit_change_nothing(
    play_on: Open, monkeypatch: pytest.MonkeyPatch, package: Package, task: str
) -> None:
    prompt = episode(play_on(package, task), at_random(3), seed=3)
    late = episode(play_on(package, task, DELAY_MS="10"), at_random(3), seed=3)
    assert [total([step]) for step in late] == [total([step]) for step in prompt]
    assert all(np.array_equal(a.obs, b.obs) for a, b in zip(late, prompt, strict=True))


@pytest.mark.parametrize("moment", ["debug:2", "debug:5"])  # in the first reset, in the second
def test_teams_that_do_not_come_are_drawn_again(play_on: Open, moment: str) -> None:
    env = play_on("smacv2", "protoss_5_vs_5", IGNORE_AT=moment, FAULTY_LAUNCHES="1")
    for seed in range(2):  # SMACv2's own reset gives None then
        steps = episode(env, at_random(seed), seed)
        assert steps[0].alive.all()
        assert steps[0].obs.any(axis=-1).all()


@pytest.mark.parametrize(
    ("package", "task"),
    [
        *(("smac", "MMM2"), ("smac", "3s5z"), ("smac", "3m")),
        *(("smacv2", "protoss_5_vs_5"), ("smacv2", "terran_5_vs_5"), ("smacv2", "zerg_10_vs_11")),
    ],
)
def test_agents_own_states_say_of_what_is_in_sight_what_the_packages_observations_say(
    play_on: Open, package: Package, task: str
) -> None:
    env, expected = play_on(package, task, Config(launch_spacing=0, state="agent")), EXPECTED[task]
    agents, enemies = expected.agents, expected.actions - FIRST_TARGET
    width = 5 + expected.enemy  # of an enemy's features: five that the state for all has not
    start = (agents - 1) * (4 + expected.ally + expected.actions)
    end, seen = start + enemies * width, 0
    for step in episode(env, at_random(2), seed=2):
        assert step.state is not None
        assert step.state.shape == env.spec.state_shape
        state = step.state[:, start:end].reshape(agents, enemies, width)
        visible = state[..., 4] == 1  # (A, N)
        shared = np.delete(state, [4, width - 2, width - 1], axis=-1)  # without the centred place
        observed = step.obs[:, 4 : 4 + enemies * (width - 3)].reshape(shared.shape)
        shown = (observed != 0).any(axis=-1)  # (A, N)
        np.testing.assert_allclose(shared[shown], observed[shown], rtol=1e-6)  # float32
        assert visible[shown].all()
        if package == "smac":  # SMACv2 blanks some of what is in sight: see README.md
            assert shown[visible].all()
        np.testing.assert_array_equal(step.state[:, end : end + 4], step.obs[:, :4])  # moves
        seen += int(shown.sum())
    assert seen
