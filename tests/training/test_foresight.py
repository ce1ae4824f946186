"""Scores of a world model, against definitions and models whose scores are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marlbench.imagination import Imagination
from marlbench.plugin import EnvSpec, Step
from marlbench.training import foresight_scores as scores
from marlbench.training.foresight import (
    Draws,
    Effort,
    fresh_episodes,
    judge,
    mean_imagination,
)
from marlbench.training.recording import Episodes, Pieces
from marlbench.vecenv.checks import CheckedVectorEnv, SpecViolation
from marlbench.vecenv.synchronous import SyncVectorEnv

AGENTS, ACTIONS = 3, 4
EFFORT = Effort(episodes=6, context=2, horizon=9, pieces=40, draws=2)


class Relay:
    """Each agent sees the time, the episode's length and what the agent before it did."""

    def __init__(self) -> None:
        self.spec = EnvSpec(AGENTS, (3,), num_actions=ACTIONS, episode_limit=20)

    def reset(self, seed: int) -> Step:
        """Begin."""
        self.time, self.length = 0, 3 + seed % 9
        return self.arrive(np.zeros(AGENTS, np.int64))

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play."""
        self.time += 1
        return self.arrive(actions)

    def arrive(self, actions: NDArray[np.int64]) -> Step:
        """Give what all see."""
        last = self.time == self.length
        return Step(
            obs=seen(self.time, self.length, actions),
            avail=mask(self.time),
            alive=np.ones(AGENTS, bool),
            reward=reward(actions),
            first=self.time == 0,
            last=last,
            terminal=last,
        )

    def close(self) -> None:
        """Nothing is held."""


def seen(time: Any, length: Any, actions: NDArray[Any]) -> NDArray[np.float32]:
    """Observations (..., A, 3) of times and lengths (...) and actions (..., A)."""
    told = np.roll(actions, 1, -1)
    spread = [np.broadcast_to(np.asarray(x)[..., None], told.shape) for x in (time, length)]
    return np.stack([*spread, told], -1).astype(np.float32)


def mask(time: Any) -> NDArray[np.bool_]:
    """(..., A, U): one action is missing, another at every step."""
    missing = np.arange(ACTIONS) == np.asarray(time)[..., None] % ACTIONS
    return np.repeat(~missing[..., None, :], AGENTS, -2)


def reward(actions: NDArray[Any]) -> NDArray[np.float32]:
    """(..., A)."""
    total = actions.sum(-1, keepdims=True).astype(np.float32)
    return np.broadcast_to(total, actions.shape).copy()


class Knowing:
    """Plays at random and knows the task: what it imagines is what comes."""

    late, alone = 0, False
    """Steps that it is late; whether it foresees an agent without knowing what others do."""

    def start(self, num_envs: int) -> None:
        """It carries nothing."""

    def act(self, step: Step, policy_state: Any, rng: Any, explore: bool) -> Any:
        """Give any available action."""
        worth = np.where(step.avail, rng.random(step.avail.shape), -1)
        return worth.argmax(-1), None

    def imagine(self, seen_: Step, actions: NDArray[np.int64], rng: Any) -> Imagination:
        """Give what comes."""
        context = len(seen_.first)
        taken = actions[context - 1 :]  # (H, B, A)
        began, length = seen_.obs[-1, :, 0, 0], seen_.obs[-1, :, 0, 1]  # (B,)
        time = began + 1 + np.arange(len(taken))[:, None]  # (H, B)
        told = np.full_like(taken, 1.5, np.float64) if self.alone else taken
        obs = seen(time, np.broadcast_to(length, time.shape), told)
        cont = (time < length).astype(np.float32)
        obs, rewards, cont, avail = (
            np.concatenate([x[:1]] * self.late + [x])[: len(taken)]
            for x in (obs, reward(taken), cont, mask(time).astype(np.float32))
        )
        surprise = np.full((len(began), AGENTS), 0.5, np.float32)
        return Imagination(obs, rewards, cont, avail, surprise)


class Late(Knowing):
    """Tells everything one step too late."""

    late = 1


class Alone(Knowing):
    """Does not know what the others do."""

    alone = True


def copies() -> CheckedVectorEnv:
    return CheckedVectorEnv(SyncVectorEnv(Relay, 4))


@pytest.fixture(scope="module")
def episodes() -> Episodes:
    agent: Any = Knowing()
    return fresh_episodes(agent, copies(), (0, 0), EFFORT)


@pytest.fixture(scope="module")
def pieces(episodes: Episodes) -> Pieces:
    return episodes.pieces(EFFORT.context, EFFORT.horizon, EFFORT.pieces)


def scores_of(agent: Any, episodes: Episodes) -> dict[str, Any]:
    return judge(agent, episodes, Relay().spec, 0, EFFORT)


def test_a_perfect_model_has_no_error_and_explains_everything(episodes: Episodes) -> None:
    row = scores_of(Knowing(), episodes)
    errors = np.array(row["observation"]["imagined"])
    assert errors.shape == (AGENTS, EFFORT.horizon)
    assert np.nanmax(errors) == 0
    assert np.nanmin(row["observation"]["last_seen"]) > 0
    for band in row["ahead"]:
        assert band["reward_error"] == 0
        assert band["reward_r2"] == 1
        assert band["cont_accuracy"] == band["avail_accuracy"] == 1
        assert band["goes_on"] < 1
        assert band["avail_last_seen"] < 1
    assert row["kl"] == 0.5
    assert row["coherence"]["error"] == 0
    assert row["coherence"]["score"] == pytest.approx(1)


def test_a_model_that_is_one_step_late_is_worse_in_everything(episodes: Episodes) -> None:
    right, late = (scores_of(agent, episodes) for agent in (Knowing(), Late()))
    errors = np.array(late["observation"]["imagined"])
    assert (errors[:, 1:][~np.isnan(errors[:, 1:])] > 0).all()
    for worse, better in zip(late["ahead"][1:], right["ahead"][1:], strict=True):
        assert worse["reward_r2"] < 0.5 < better["reward_r2"]
        assert worse["avail_accuracy"] < better["avail_accuracy"]
        assert worse["cont_accuracy"] < better["cont_accuracy"]


def test_agents_that_are_foreseen_each_by_itself_are_not_coherent(episodes: Episodes) -> None:
    found = scores_of(Alone(), episodes)["coherence"]
    assert found["score"] == found["influence"] == 0
    assert found["error"] == found["error_otherwise"] > 0


def test_a_model_that_mistakes_who_did_it_is_not_coherent(episodes: Episodes) -> None:
    class Mistaken(Knowing):
        def imagine(self, seen_: Step, actions: NDArray[np.int64], rng: Any) -> Imagination:
            """Give something else."""
            return super().imagine(seen_, np.roll(actions, 1, -1), rng)

    found = scores_of(Mistaken(), episodes)["coherence"]
    assert found["influence"] > 0
    # the correlation of two independent numbers in 80 cases: a standard error of 0.11
    assert abs(found["score"]) < 0.45


def noisy(pieces: Pieces) -> Imagination:
    rng = np.random.default_rng(0)
    came = pieces.came
    return Imagination(
        obs=came.obs + rng.normal(size=came.obs.shape),
        reward=came.reward + rng.normal(size=came.reward.shape),
        cont=rng.random(pieces.there.shape),
        avail=rng.random(came.avail.shape),
        kl=rng.random(came.reward.shape[1:]),
    )


def with_deaths(pieces: Pieces) -> Pieces:
    """The same with agent 2 dead at odd steps of odd pieces, so that masks of all kinds count."""
    alive = pieces.came.alive.copy()
    alive[1::2, 1::2, 2] = False
    acted = pieces.acted.copy()
    acted[::2, 1::2, 2] = False
    return replace(pieces, came=replace(pieces.came, alive=alive), acted=acted)


def test_observation_errors_equal_plain_loops(pieces: Pieces, episodes: Episodes) -> None:
    pieces, spec = with_deaths(pieces), Relay().spec
    imagined, mean = noisy(pieces), scores.mean_obs(episodes)
    found = scores.observation_errors(imagined, pieces, mean, spec)
    assert found is not None
    assert imagined.obs is not None
    for a in range(AGENTS):
        for k in range(EFFORT.horizon):
            guesses: dict[str, list[float]] = {"imagined": [], "last_seen": [], "mean": []}
            for b in range(pieces.number):
                if pieces.there[k, b] and pieces.came.alive[k, b, a]:
                    truth = pieces.came.obs[k, b, a]
                    guess = imagined.obs[k, b, a], pieces.seen.obs[-1, b, a], mean[a]
                    for name, each in zip(guesses, guess, strict=True):
                        guesses[name].append(float(((each - truth) ** 2).mean()))
            for name, each in guesses.items():
                if each:  # float32 differences
                    assert found[name][a][k] == pytest.approx(np.mean(each), rel=1e-5)
                else:
                    assert np.isnan(found[name][a][k])


@pytest.mark.parametrize("band", scores.bands(EFFORT.horizon))
def test_scores_of_a_band_equal_plain_loops(pieces: Pieces, band: tuple[int, int]) -> None:
    pieces = with_deaths(pieces)
    imagined, came = noisy(pieces), pieces.came
    assert imagined.reward is not None
    assert imagined.cont is not None
    assert imagined.avail is not None
    guess, truth, conts, masks, kept, goes = [], [], [], [], [], []
    for k in range(band[0] - 1, band[1]):
        for b in range(pieces.number):
            if not pieces.there[k, b]:
                continue
            conts.append((imagined.cont[k, b] > 0.5) != came.terminal[k, b])
            goes.append(not came.terminal[k, b])
            for a in range(AGENTS):
                if pieces.acted[k, b, a]:
                    guess.append(imagined.reward[k, b, a])
                    truth.append(came.reward[k, b, a])
                    for u in range(ACTIONS):
                        right = came.avail[k, b, a, u]
                        masks.append((imagined.avail[k, b, a, u] > 0.5) == right)
                        kept.append(pieces.seen.avail[-1, b, a, u] == right)
    row = scores.ahead(imagined, pieces, *band)
    error = np.mean(np.square(np.subtract(guess, truth)))
    assert row["steps"] == len(conts)
    assert row["reward_error"] == pytest.approx(error)
    assert row["reward_r2"] == pytest.approx(1 - error / np.var(truth))
    assert row["cont_accuracy"] == pytest.approx(np.mean(conts))
    assert row["goes_on"] == pytest.approx(np.mean(goes))
    assert row["avail_accuracy"] == pytest.approx(np.mean(masks))
    assert row["avail_last_seen"] == pytest.approx(np.mean(kept))


def test_pixels_count_from_0_to_1() -> None:
    spec = EnvSpec(1, (2, 2, 3), num_actions=2, episode_limit=2, obs_dtype="uint8")
    black, white = np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 255.0)
    assert scores.squared_errors(white, black, spec).tolist() == [1.0]


def test_constant_rewards_have_no_r2_and_nothing_no_scores() -> None:
    equal = scores.explained(np.array([1.0, 2.0]), np.array([3.0, 3.0]))
    assert equal["reward_error"] == 2.5
    assert np.isnan(equal["reward_r2"])
    assert np.isnan(scores.explained(np.zeros(0), np.zeros(0))["reward_error"])
    assert np.isnan(scores.agreement(np.zeros(0, bool), np.zeros(0, bool)))


def test_what_a_model_does_not_tell_has_no_scores(episodes: Episodes) -> None:
    class Reward(Knowing):
        def imagine(self, seen_: Step, actions: NDArray[np.int64], rng: Any) -> Imagination:
            """Give something else."""
            whole = super().imagine(seen_, actions, rng)
            return Imagination(None, whole.reward, None, None, None)

    row = scores_of(Reward(), episodes)
    assert row["observation"] is row["coherence"] is row["kl"] is None
    assert set(row["ahead"][0]) == {"first", "last", "steps", "reward_error", "reward_r2"}


def test_episodes_shorter_than_the_context_are_judged_from_fewer_steps() -> None:
    class Short(Relay):
        def reset(self, seed: int) -> Step:
            """Begin an episode of one step."""
            super().reset(seed)
            self.length = 1
            return self.arrive(np.zeros(AGENTS, np.int64))

    agent: Any = Knowing()
    env = CheckedVectorEnv(SyncVectorEnv(Short, 2))
    row = scores_of(agent, fresh_episodes(agent, env, (0, 0), EFFORT))
    assert row["context"] == 1
    assert row["pieces"] == EFFORT.episodes
    assert row["ahead"][0]["cont_accuracy"] == 1
    assert np.isnan(row["ahead"][1]["reward_error"])


def test_draws_are_averaged_and_the_same_every_time(pieces: Pieces) -> None:
    class Drawing(Knowing):
        def imagine(self, seen_: Step, actions: NDArray[np.int64], rng: Any) -> Imagination:
            """Give something else."""
            whole = super().imagine(seen_, actions, rng)
            assert whole.reward is not None
            return replace(whole, reward=rng.random(whole.reward.shape))

    agent: Any = Drawing()
    once, again = (
        mean_imagination(agent, pieces, Relay().spec, Draws(3, 5)).reward for _ in range(2)
    )
    one = [agent.imagine(pieces.seen, pieces.actions, rng).reward for rng in Draws(3, 5)]
    assert once is not None
    np.testing.assert_allclose(once, np.mean(one, 0), rtol=1e-6)
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(one[0], one[1])


def test_a_wrong_shape_is_named(episodes: Episodes) -> None:
    class Wrong(Knowing):
        def imagine(self, seen_: Step, actions: NDArray[np.int64], rng: Any) -> Imagination:
            """Give something else."""
            whole = super().imagine(seen_, actions, rng)
            assert whole.reward is not None
            return replace(whole, reward=whole.reward[..., 0])

    with pytest.raises(SpecViolation, match=r"imagine\(\) gave reward of shape \(9, 40\)"):
        scores_of(Wrong(), episodes)
