"""The real substrates: what is seen, who plays, how long, and that a seed decides all of it."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import marlbench_meltingpot
from marlbench.config import Evaluation, RunConfig, RunSpec
from marlbench.metrics import episode_return
from marlbench.needs import missing
from marlbench.plugin import Env, Step
from marlbench.store import files
from marlbench.testing import check_suite, insist
from marlbench.training import worker
from marlbench.vecenv.single import build_single
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_meltingpot.config import Config
from marlbench_meltingpot.env import halved
from marlbench_meltingpot.tasks import PAPER, TASKS
from tests import linear

(SUITE,) = marlbench_meltingpot.marlbench_suites()
LACK = missing(SUITE)
pytestmark = pytest.mark.skipif(LACK is not None, reason=str(LACK))

MINING, HARVEST = PAPER
QUICK, SMALL = "chicken_in_the_matrix__arena", "chicken_in_the_matrix__repeated"
"""Substrates whose resets take a tenth of the paper's; the second has small pictures."""
DRAWN = "coins"
"""One whose map is drawn in Python."""
TRACE = Path(__file__).with_name("trace.py")


def make(task: str, **settings: Any) -> Env:
    """Build a copy."""
    return build_single(SUITE, task, Config(**settings))


def play(env: Env, seed: int, steps: int) -> list[Step]:
    """The first steps of an episode of uniform play."""
    draws, played = np.random.default_rng(0), [env.reset(seed)]
    while len(played) <= steps and not played[-1].last:
        played.append(env.step(draws.integers(0, env.spec.num_actions, env.spec.num_agents)))
    return played


def images(steps: Sequence[Step]) -> NDArray[np.uint8]:
    """All that was seen, (T, A, *O)."""
    return np.stack([step.obs for step in steps])


@pytest.mark.parametrize(("task", "agents"), [(MINING, 4), (HARVEST, 7)])
def test_the_papers_substrates_are_as_the_paper_says(task: str, agents: int) -> None:
    spec = make(task).spec
    assert (spec.num_agents, spec.obs_shape, spec.obs_dtype) == (agents, (44, 44, 3), "uint8")
    assert (spec.num_actions, spec.noop, spec.episode_limit) == (8, 0, 1000)
    assert (spec.reward, spec.metrics, spec.state_shape) == (
        "individual",
        (episode_return(),),
        None,
    )
    for part in ("dm-meltingpot 2.4.1", "dmlab2d 1.0.2", f"{agents} players", "44x44 by 2x2 means"):
        assert part in spec.simulator


@pytest.mark.parametrize("task", PAPER)
def test_a_thousand_steps_are_the_same_in_two_processes(task: str) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, str(TRACE), task, "5", "1000", before],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": before},
        )
        for before in ("0", "3")  # the second has played three steps of another episode
    ]
    digests = [run.communicate()[0].strip() for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 64


@pytest.mark.parametrize("task", [HARVEST, DRAWN])
def test_seeds_differ_and_pythons_generator_is_neither_asked_nor_moved(task: str) -> None:
    env = make(task)
    random.seed(1)
    before = random.getstate()
    one = play(env, 1, 20)
    assert random.getstate() == before
    random.seed(2)
    again, other = play(make(task), 1, 20), play(env, 2, 20)
    assert np.array_equal(images(one), images(again))
    assert not np.array_equal(images(one), images(other))


def test_without_sorted_tables_one_seed_has_many_episodes() -> None:
    # Drawing 8 times the same one by chance: with even two equally likely orders, 1 in 128.
    firsts = {make(QUICK, deterministic=False).reset(1).obs.tobytes() for _ in range(8)}
    assert len(firsts) > 1
    assert "unsorted" in make(QUICK, deterministic=False).spec.simulator


def test_it_plays_as_melting_pots_own_builder_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from marlbench_meltingpot.lua_folder import sorted_folder
    from marlbench_meltingpot.substrate import BUILDER, Substrate, module

    substrate = Substrate(HARVEST, Config())
    definition = module("meltingpot.configs.substrates").get_config(HARVEST)
    builder = module(BUILDER)
    root = sorted_folder(Path(builder._MELTINGPOT_ROOT))
    monkeypatch.setattr(builder, "_MELTINGPOT_ROOT", str(root))
    roles = definition.default_player_roles
    settings = definition.lab2d_settings_builder(roles=roles, config=definition)
    theirs = builder.builder(settings, env_seed=11)
    ours = substrate.built(11, int(np.random.RandomState(11).randint(0, 2**31)))
    seen = theirs.reset().observation
    draws = np.random.default_rng(0)
    for _ in range(100):
        assert np.array_equal(np.stack([seen[f"{i + 1}.RGB"] for i in range(7)]), ours.images())
        assert np.array_equal([seen[f"{i + 1}.REWARD"] for i in range(7)], ours.rewards())
        assert np.array_equal(seen["WORLD.RGB"], ours.world())
        chosen = draws.integers(0, 8, 7)
        native = [definition.action_set[action] for action in chosen]
        parts = {f"{i + 1}.{k}": v for i, action in enumerate(native) for k, v in action.items()}
        seen = theirs.step(parts).observation
        ours.advance(chosen)
    theirs.close()


def test_an_episode_is_cut_at_its_length_as_a_time_out() -> None:
    steps = play(make(QUICK, episode_length=6), 3, 100)
    assert [step.first for step in steps] == [True] + [False] * 6
    assert [step.last for step in steps] == [False] * 6 + [True]
    assert not any(step.terminal for step in steps)


def test_what_the_substrate_itself_ends_is_an_end() -> None:
    # The first race's eighth of this substrate's own limit, its only end but ours.
    env = make("boat_race__eight_races", episode_length=5000)
    step, actions = env.reset(0), np.zeros(env.spec.num_agents, np.int64)
    while not step.last:
        step = env.step(actions)
    assert step.terminal


def test_rewards_are_each_agents_own() -> None:
    steps = play(make(HARVEST), 4, 200)
    total = np.sum([step.reward for step in steps], 0)
    assert total.sum() > 0
    assert len(set(total.tolist())) > 1
    assert set(np.unique([step.reward for step in steps])) == {0.0, 1.0}  # an apple is worth 1


def test_nobody_dies_and_every_action_is_available() -> None:
    for step in play(make(HARVEST), 0, 50):
        assert step.alive.all()
        assert step.avail.all()
        assert step.info == {}
        assert step.state is None


def test_half_images_are_the_means_of_full_ones() -> None:
    full, half = (images(play(make(QUICK, image=image), 2, 5)) for image in ("full", "half"))
    assert full.shape[2:] == (88, 88, 3)
    for y, x in [(0, 0), (13, 40), (43, 43), (36, 22)]:
        four = full[:, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].astype(float)
        assert np.array_equal(half[:, :, y, x], np.floor(four.mean((2, 3)) + 0.5))


def test_means_are_rounded_to_the_nearest() -> None:
    four = np.array([[0, 0, 1, 0], [0, 1, 1, 255]], np.uint8)[None, :, :, None]
    assert halved(four).ravel().tolist() == [0, 64]  # 0.25 and 64.25
    white = np.full((1, 2, 2, 3), 255, np.uint8)
    assert halved(white).ravel().tolist() == [255] * 3


def test_native_images_are_drawn_at_their_size_and_are_other_ones() -> None:
    native, half = (images(play(make(QUICK, image=image), 2, 5)) for image in ("native", "half"))
    assert native.shape == half.shape
    assert not np.array_equal(native, half)
    assert "44x44 by" not in make(QUICK, image="native").spec.simulator


def test_small_pictures_stay_as_they_are() -> None:
    for image in ("half", "native", "full"):
        assert make(SMALL, image=image).spec.obs_shape == (40, 40, 3)


@pytest.mark.parametrize("players", [1, 9])
def test_as_many_play_as_are_asked_for(players: int) -> None:
    env = make(QUICK, players=players)
    (_, step) = play(env, 0, 1)
    assert step.obs.shape == (players, 44, 44, 3)
    assert step.reward.shape == (players,)


def test_more_players_than_a_substrate_has_room_for_are_refused_in_a_line() -> None:
    with pytest.raises(RuntimeError, match=r"17 players \(.*number is 6: --set suite.players=6"):
        make(MINING, players=17)
    env = make("collaborative_cooking__ring", players=3)
    with pytest.raises(RuntimeError, match=r"3 players \(Insufficient spawn points!\)"):
        env.reset(0)


def test_roles_begin_again_where_there_are_more_players() -> None:
    own = make("predator_prey__open").spec.num_agents
    assert own == 13
    assert make("predator_prey__open", players=own + 2).spec.num_agents == own + 2


def test_the_tasks_are_melting_pots_own() -> None:
    from marlbench_meltingpot.substrate import module

    assert set(TASKS) == module("meltingpot.configs.substrates").SUBSTRATES
    assert len(TASKS) == len(set(TASKS))
    for task in TASKS:
        assert make(task).spec.num_agents >= 2


def test_the_map_can_be_drawn_as_it_stands() -> None:
    env = make(MINING)
    assert SUITE.render is not None
    with pytest.raises(RuntimeError, match="reset it"):
        SUITE.render(env)
    play(env, 0, 1)
    before = SUITE.render(env)
    env.step(np.ones(4, np.int64))
    assert before.shape == (216, 216, 3)
    assert not np.array_equal(before, SUITE.render(env))


def test_a_copy_goes_on_in_mid_episode_after_it_was_pickled() -> None:
    env = make(QUICK)
    play(env, 7, 30)
    twin = pickle.loads(pickle.dumps(env))
    for actions in np.random.default_rng(1).integers(0, 8, (20, 8)):
        one, other = env.step(actions), twin.step(actions)
        assert np.array_equal(one.obs, other.obs)
        assert np.array_equal(one.reward, other.reward)
    assert pickle.loads(pickle.dumps(make(QUICK))).spec == env.spec  # nothing begun


def test_a_copy_that_no_seed_decides_is_cut_where_it_was_pickled() -> None:
    env = make(QUICK, deterministic=False)
    copies = SyncVectorEnv(lambda: make(QUICK, deterministic=False), 1)
    copies.resume([pickle.dumps(env)], batched(play(env, 7, 3)[-1]))
    step = copies.step(np.zeros((1, 8), np.int64), np.zeros(1, np.int64))
    assert (step.last.item(), step.terminal.item()) == (True, False)
    assert step.info["crashed"].item()


def batched(step: Step) -> Step:
    """The step of one copy with a leading E."""
    from marlbench.vecenv.synchronous import stack

    return stack([step])


def test_neither_torch_nor_jax_nor_tensorflow_is_imported() -> None:
    code = (
        "import sys; from marlbench_meltingpot import build; "
        "from marlbench_meltingpot.config import Config; "
        f"build({QUICK!r}, Config()).reset(0); "
        "print(sorted({'torch', 'jax', 'tensorflow', 'chex', 'reactivex'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_keeps_what_every_agent_earned_and_how_many_played(tmp_path: Path) -> None:
    spec = RunSpec(
        suite="meltingpot",
        task=QUICK,
        algorithm="linear",
        label="linear",
        seed=0,
        run=RunConfig(
            steps=8, evaluation=Evaluation(episodes=2, num_envs=2, final_episodes=2), device="cpu"
        ),
        algorithm_config=linear.Config(num_envs=2).model_dump(),
        suite_config=Config(episode_length=5, players=3).model_dump(),
    )
    assert worker.run(spec, tmp_path, linear.algorithm, SUITE) == 0
    for row in files.read_rows(tmp_path / "eval.jsonl"):
        assert np.shape(row["agent_returns"]) == (2, 3)
        assert row["values"]["return"] == [sum(agents) for agents in row["agent_returns"]]
        assert row["lengths"] == [5, 5]
    env = json.loads((tmp_path / "provenance.json").read_text())["env"]
    assert (env["num_agents"], env["reward"]) == (3, "individual")
    assert "3 players" in env["simulator"]


def test_short_episodes_keep_the_suites_promises() -> None:
    insist(check_suite(SUITE, SMALL, {"episode_length": 8}))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_every_substrate_is_decided_by_its_seed(task: str) -> None:
    command = [sys.executable, str(TRACE), task, "5", "100"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    one, other = (run.communicate()[0] for run in runs)
    assert one == other
    assert len(one.strip()) == 64
