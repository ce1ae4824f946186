"""What environments do wrong is read right, or refused in one line that names the agent."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marlbench.errors import SpecViolation
from marlbench.plugin import Env, Step
from marlbench.training.evaluation import Occasion, evaluate
from marlbench.vecenv.checks import CheckedVectorEnv, check_step
from marlbench.vecenv.synchronous import SyncVectorEnv
from marlbench_pettingzoo import build, marlbench_suites
from marlbench_pettingzoo.config import Config

ROUNDS = 5
"""Steps of an episode of every game of `rounds.py`."""


@pytest.fixture(autouse=True)
def _rounds_is_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def game(name: str, **settings: Any) -> Env:
    """Give one of the games of `rounds.py`, by its import path."""
    return build(f"rounds:{name}", Config(**settings))


def play(env: Env, seed: int = 1) -> list[Step]:
    """Give the steps, each checked, of an episode in which everyone takes its last action."""
    steps = [env.reset(seed)]
    check_step(steps[0], env.spec)
    while not steps[-1].last:
        last = steps[-1].avail.shape[-1] - 1 - steps[-1].avail[:, ::-1].argmax(-1)
        steps.append(env.step(last))
        check_step(steps[-1], env.spec)
    return steps


def earned(steps: list[Step]) -> list[float]:
    """Give what each agent was paid, (A,)."""
    total: list[float] = np.sum([step.reward for step in steps], 0).tolist()
    return total


@pytest.mark.parametrize("name", ["Rounds", "Blind", "Careless", "Masked", "EmptyAtTheEnd"])
def test_games_without_a_fault_that_matters_are_played_right(name: str) -> None:
    steps = play(game(name))
    assert [step.alive.tolist() for step in steps] == [[True, t < 2] for t in range(6)]
    assert earned(steps) == [5.0, 2.0]
    assert (steps[-1].last, steps[-1].terminal) == (True, False)


def test_whoever_ends_unobserved_sees_zeros_and_whoever_lives_on_what_is_there() -> None:
    steps = play(game("Blind"))
    assert steps[4].obs[0, 0] == 4.0
    assert not steps[5].obs.any()
    assert steps[5].avail[0].tolist() == [True, True, False]


class Idle:
    """An agent that always takes the first action."""

    def start(self, num_envs: int) -> None:
        """Remember nothing."""

    def act(self, step: Step, *_: Any, **__: Any) -> tuple[Any, None]:
        """Give the first available actions (E, A)."""
        return step.avail.argmax(-1), None


def test_wins_that_nobody_observes_are_scored() -> None:
    door = CheckedVectorEnv(SyncVectorEnv(lambda: game("BlindWinners", reward="sum"), 4))
    agent: Any = Idle()
    quota = evaluate(agent, door, Occasion("final", 0, episodes=40), seed=1)
    assert quota.crashed == 0
    episodes = quota.episodes()
    assert {(each.total, each.length) for each in episodes} == {(10.0, 3), (0.0, 5)}
    # half of the episodes by seed; five standard deviations of a share of 40 are 0.4
    assert 0.1 < np.mean([each.total == 10.0 for each in episodes]) < 0.9


@pytest.mark.parametrize(
    ("reward", "paid"), [("individual", [5.0, 2.0]), ("sum", [7.0, 7.0]), ("shared", [5.0, 5.0])]
)
@pytest.mark.parametrize("name", ["Rounds", "Blind"])
def test_rewards_are_right_where_agents_die(name: str, reward: str, paid: list[float]) -> None:
    assert earned(play(game(name, reward=reward))) == paid


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Undead", "blue is terminated or truncated, but still in env.agents"),
        ("Deserters", "blue has left env.agents, but is neither terminated nor truncated"),
        ("SilentEnd", "red has left env.agents, but is neither terminated nor truncated"),
        ("Returning", "blue is in env.agents, but had left it"),
        ("Stranger", "rewards name 'bleu', which is not among possible_agents"),
        ("Unseen", "blue lives on, but has no observation"),
        ("Unpaid", "red's reward is None, not a number"),
        ("OldStyle", r"step gave 4, not \(observations, rewards, terminations, truncations, infos"),
        ("Short", r"red's observation is of shape \(1,\), its space says shape \(2,\)"),
        ("Scalar", r"red's observation is of shape \(\), its space says shape \(2,\)"),
        ("Beyond", r"red's observation is 0, which is not in Discrete\(5, start=1\)"),
        ("Lacking", "red's observation lacks place"),
        ("ShortMask", r"red's action_mask has shape \(1,\), its actions are 3"),
        ("AddedMask", "red's action_mask is neither 0 nor 1"),
        ("EmptyMask", "red's action_mask allows nothing, though it lives on"),
        ("BrightImage", "red's image is int64, its space says bytes"),
        ("PromisedState", r"state_space is declared, but state\(\) is not written"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name_and_is_no_crash(name: str, said: str) -> None:
    copies = SyncVectorEnv(lambda: game(name), 2)

    def an_episode() -> None:
        step = copies.reset(np.array([1, 2]))
        for _ in range(ROUNDS):
            step = copies.step(step.avail.argmax(-1), np.array([3, 4]))

    with pytest.raises(SpecViolation, match=said) as refused:
        an_episode()
    assert "\n" not in str(refused.value)
    assert copies.crashes == []


def test_rewards_that_are_not_shared_are_refused_with_the_settings_that_take_them() -> None:
    env = game("Unequal", reward="shared")
    env.reset(1)
    with pytest.raises(SpecViolation, match=r"'red': 1.0, 'blue': 2.0.*suite.reward=sum"):
        env.step(np.array([0, 0]))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Text", "red sees Text.*which has no vector"),
        ("Levers", "--set suite.joint_actions=true numbers its 6 combinations"),
    ],
)
def test_spaces_that_cannot_be_read_are_refused_before_anything_is_played(
    name: str, said: str
) -> None:
    with pytest.raises(SpecViolation, match=said):
        game(name)


def test_a_mapping_is_flattened_part_by_part_and_a_mask_is_no_part_of_it() -> None:
    env = game("Parts")
    assert env.spec.obs_shape == (7,)
    assert play(env)[1].obs[0].tolist() == [1, 1, 1, 1, 0, 1, 0]
    masked = game("Masked")
    assert masked.spec.obs_shape == (2,)
    assert play(masked)[1].avail.tolist() == [[True, False, False, False]] * 2


def test_an_image_whose_channels_come_first_is_turned() -> None:
    env = game("Image")
    assert (env.spec.obs_shape, env.spec.obs_dtype) == ((8, 6, 3), "uint8")
    seen = play(env)[4].obs[0]
    assert (seen[..., 2] == 4).all()
    assert not seen[..., :2].any()


@pytest.mark.parametrize(
    ("name", "natives"),
    [
        ("Levers", [[0, 5], [0, 6], [0, 7], [1, 5], [1, 6], [1, 7]]),
        ("Switches", [[0, 0], [0, 1], [1, 0], [1, 1]]),
        ("Pairs", [[1, 0], [1, 1], [2, 0], [2, 1]]),
    ],
)
def test_actions_of_several_parts_are_numbered(name: str, natives: list[list[int]]) -> None:
    env: Any = game(name, joint_actions=True)
    assert env.spec.num_actions == len(natives) + 1  # the no-op of those who have left
    for number, native in enumerate(natives):
        env.reset(1)
        env.step(np.array([number, 0]))
        inside = env.inside.inside
        assert inside.acts.contains(inside.actions["red"])
        assert np.array(inside.actions["red"]).tolist() == native


def test_a_state_that_cannot_be_made_at_the_end_is_zeros_there() -> None:
    steps = play(game("Stated"))
    assert [step.state.tolist() for step in steps if step.state is not None] == [
        *([t, 0] for t in range(5)),
        [0, 0],
    ]


def test_a_state_that_is_no_vector_is_replaced_by_all_observations_in_a_row() -> None:
    steps = play(game("MappedState"))
    assert steps[1].state is not None
    assert steps[1].state.tolist() == steps[1].obs.ravel().tolist()


@pytest.mark.parametrize("name", ["Limited", "Wrapped"])
def test_the_environments_own_limit_is_found(name: str) -> None:
    env = game(name)
    assert env.spec.episode_limit == ROUNDS
    assert not any(step.info.get("cut") for step in play(env))


def test_a_cut_is_said_and_whoever_knows_no_limit_is_cut_late() -> None:
    assert game("Rounds").spec.episode_limit == 500
    steps = play(game("Limited", limit=3))
    assert [bool(step.info.get("cut")) for step in steps] == [False, False, False, True]
    assert (steps[-1].last, steps[-1].terminal) == (True, False)


def test_agents_in_a_set_are_in_the_order_of_their_names() -> None:
    env: Any = game("SetOfAgents")
    step = env.reset(1)
    assert env.inside._names == ["blue", "red"]
    assert step.alive.all()


@pytest.mark.parametrize(("fresh", "second"), [(False, 40.0), (True, 15.0)])
def test_an_environment_that_remembers_is_made_anew_if_told_so(fresh: bool, second: float) -> None:
    env = game("Remembering", fresh=fresh)
    assert earned(play(env))[0] == 1 + 2 + 3 + 4 + 5
    assert earned(play(env))[0] == second
    twin = pickle.loads(pickle.dumps(env)) if fresh else env
    assert twin.spec == env.spec


def test_a_copy_whose_rewards_its_seed_does_not_decide_is_not_resumed() -> None:
    env = game("Hidden")
    env.reset(0)
    env.step(np.array([0, 0]))
    with pytest.raises(RuntimeError, match="not decided by its seed"):
        pickle.loads(pickle.dumps(env))


def test_who_has_to_wait_for_its_turn_may_only_do_nothing() -> None:
    env = build("turns", Config())
    steps = [env.reset(0)]
    for left, right in ((0, 3), (3, 2), (1, 3)):
        check_step(steps[-1], env.spec)
        steps.append(env.step(np.array([left, right])))
    assert [step.avail.argmax(-1).tolist() for step in steps] == [[0, 3], [3, 0], [0, 3], [0, 0]]
    assert [step.avail.sum() for step in steps] == [4, 4, 4, 6]
    assert [step.reward.tolist() for step in steps[1:]] == [[0, 0], [0, 0], [1, 0]]
    assert (steps[-1].last, steps[-1].terminal) == (True, True)
    with pytest.raises(SpecViolation, match="with leaving=true they have a no-op to wait by"):
        build("turns", Config(leaving=False))


def test_an_environment_is_asked_whether_it_shows_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    suite = next(suite for suite in marlbench_suites() if suite.name == "pettingzoo")
    asked = [suite.observes_images(f"rounds:{name}", Config()) for name in ("Image", "Parts")]
    assert asked == [True, False]
    assert not suite.observes_images("rounds:nothing", Config())


def test_a_module_in_the_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lying_here.py").write_text("from rounds import Limited as parallel_env\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert build("lying_here", Config()).spec.episode_limit == ROUNDS
