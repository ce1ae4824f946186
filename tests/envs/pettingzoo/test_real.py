"""Environments that people bring, step by step beside the same environment without us.

Each is played twice from one seed with the same actions: by the suite and raw. What was seen, paid
and allowed must be equal to the last bit once both are float32, and whoever is listed raw be alive.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from marlbench.plugin import Step
from marlbench.vecenv.checks import check_step
from marlbench_pettingzoo import build, render
from marlbench_pettingzoo.config import Config

pytestmark = pytest.mark.filterwarnings("ignore")  # what simulators warn of is their own affair

EPISODES = 2
STEPS = 60
"""Of an episode that are compared; the longest have a thousand."""

Played = tuple[dict[str, Any], dict[str, float], set[str], dict[str, Any], bool]
"""What is seen, paid, listed, allowed by agent, and whether the episode is over."""


class Parallel:
    """A PettingZoo parallel environment, played as its own documentation does."""

    def __init__(self, task: str, kwargs: dict[str, Any]) -> None:
        self.env = importlib.import_module(task).parallel_env(**kwargs)
        self.names = self.env.possible_agents

    def reset(self, seed: int) -> Played:
        """Begin."""
        seen, infos = self.env.reset(seed=seed)
        return seen, {}, set(self.env.agents), infos, False

    def step(self, actions: dict[str, int]) -> Played:
        """Play the actions of those who are listed."""
        acting = {name: actions[name] for name in self.env.agents}
        seen, rewards, *_, infos = self.env.step(acting)
        return seen, rewards, set(self.env.agents), infos, not self.env.agents


class InTurn:
    """A PettingZoo environment in turns, played as its own documentation does."""

    def __init__(self, task: str, kwargs: dict[str, Any]) -> None:
        self.env = importlib.import_module(task).env(**kwargs)
        self.env.reset(seed=0)
        self.names = self.env.possible_agents

    def reset(self, seed: int) -> Played:
        """Begin."""
        self.env.reset(seed=seed)
        return self._now({})

    def step(self, actions: dict[str, int]) -> Played:
        """Play the action of whose turn it is."""
        self.env.step(actions[self.env.agent_selection])
        return self._now(dict(self.env.rewards))

    def _now(self, rewards: dict[str, float]) -> Played:
        seen = {name: self.env.observe(name)["observation"] for name in self.env.agents}
        mover = self.env.agent_selection
        mask = {mover: {"action_mask": self.env.observe(mover)["action_mask"]}}
        over = all(self.env.terminations.values()) or all(self.env.truncations.values())
        return seen, rewards, set(self.env.agents), mask, over


class Lists:
    """A gymnasium environment of lists, played as its own documentation does."""

    def __init__(self, task: str, kwargs: dict[str, Any]) -> None:
        import gymnasium

        importlib.import_module(task.partition(":")[0])
        made: Any = gymnasium.make(task.partition(":")[2], disable_env_checker=True, **kwargs)
        self.env = made.unwrapped
        self.names = [f"agent_{i}" for i in range(len(self.env.action_space))]

    def reset(self, seed: int) -> Played:
        """Begin."""
        seen, _ = self.env.reset(seed=seed)
        return dict(zip(self.names, seen, strict=True)), {}, set(self.names), {}, False

    def step(self, actions: dict[str, int]) -> Played:
        """Play everyone's action."""
        seen, rewards, ended, cut, _ = self.env.step([actions[name] for name in self.names])
        paid = dict(zip(self.names, map(float, rewards), strict=True))
        return dict(zip(self.names, seen, strict=True)), paid, set(self.names), {}, ended or cut


class Compiled:
    """An environment of JaxMARL, played as its own documentation does."""

    def __init__(self, task: str, kwargs: dict[str, Any]) -> None:
        import jax
        import jaxmarl

        made: Any = jaxmarl.make(task.partition(":")[2], **kwargs)
        self.jax, self.env = jax, made
        self.names = self.env.agents

    def reset(self, seed: int) -> Played:
        """Begin."""
        self.key, key = self.jax.random.split(self.jax.random.PRNGKey(seed))
        seen, self.state = self.env.reset(key)
        return seen, {}, set(self.names), {}, False

    def step(self, actions: dict[str, int]) -> Played:
        """Play everyone's action."""
        self.key, key = self.jax.random.split(self.key)
        seen, self.state, rewards, done, _ = self.env.step_env(key, self.state, actions)
        paid = {name: float(rewards[name]) for name in self.names}
        return seen, paid, set(self.names), {}, bool(done["__all__"])


REAL: list[tuple[str, Callable[..., Any], dict[str, Any], tuple[int, int, int]]] = [
    # what it is, how it is played raw, arguments, and (agents, observation, actions)
    ("magent2.environments.battle_v4", Parallel, {"map_size": 16}, (12, 845, 21)),
    ("magent2.environments.combined_arms_v6", Parallel, {"map_size": 20}, (24, 1521, 25)),
    ("pettingzoo.butterfly.knights_archers_zombies_v11", Parallel, {}, (4, 135, 6)),
    ("pettingzoo.sisl.pursuit_v5", Parallel, {}, (8, 147, 5)),
    ("pettingzoo.butterfly.cooperative_pong_v6", Parallel, {}, (2, 280 * 480 * 3, 3)),
    ("mpe2.simple_tag_v3", Parallel, {}, (4, 16, 5)),
    ("pettingzoo.classic.hanabi_v5", InTurn, {}, (2, 658, 20)),
    ("rware:rware-tiny-2ag-v2", Lists, {}, (2, 71, 5)),
    ("lbforaging:Foraging-8x8-2p-2f-coop-v3", Lists, {}, (2, 12, 6)),
    ("jaxmarl:overcooked", Compiled, {}, (2, 4 * 5 * 26, 6)),
    ("jaxmarl:MPE_simple_spread_v3", Compiled, {}, (3, 18, 5)),
]
CASES = [
    pytest.param(*case, id=case[0], marks=[pytest.mark.slow] if case[1] is Compiled else [])
    for case in REAL
]


@pytest.mark.parametrize(("task", "raw", "kwargs", "sizes"), CASES)
def test_a_real_environment_is_what_it_is_without_us(
    task: str, raw: Callable[..., Any], kwargs: dict[str, Any], sizes: tuple[int, int, int]
) -> None:
    _skip_without(task)
    beside = raw(task, kwargs)
    env: Any = build(task, Config(kwargs=kwargs))
    spec = env.spec
    assert (spec.num_agents, int(np.prod(spec.obs_shape)), spec.num_actions - 1) == sizes
    draws = np.random.default_rng(0)
    for seed in range(EPISODES):
        step, played = env.reset(seed), beside.reset(seed)
        for _ in range(STEPS):
            _compare(step, played, beside, env)
            check_step(step, spec)
            if step.last:
                break
            actions = np.where(step.avail, draws.random(step.avail.shape), -1.0).argmax(-1)
            named = dict(zip(beside.names, actions.tolist(), strict=True))
            step, played = env.step(actions), beside.step(named)
    env.close()


def _compare(step: Step, played: Played, beside: Any, env: Any) -> None:
    seen, rewards, listed, masks, over = played
    assert step.last == over
    inner = env.inside.inside
    for i, name in enumerate(beside.names):
        assert step.reward[i] == np.float32(rewards.get(name, 0.0))
        assert over or step.alive[i] == (name in listed)
        if not step.alive[i]:
            assert not step.obs[i].any()
            assert np.flatnonzero(step.avail[i]).tolist() == [env.spec.noop]
        elif name in seen:
            space = inner.observation_space(name)
            plain = space["observation"] if isinstance(space, spaces.Dict) else space
            if step.obs.dtype == np.uint8:
                assert np.array_equal(step.obs[i], seen[name])
            else:
                flat = np.asarray(spaces.flatten(plain, seen[name]), np.float32)
                assert np.array_equal(step.obs[i, : len(flat)], flat)
        if not over and "action_mask" in masks.get(name, {}):
            mask = masks[name]["action_mask"]
            assert np.array_equal(step.avail[i, : len(mask)], np.asarray(mask, np.bool_))


@pytest.mark.parametrize(
    "task",
    [
        "magent2.environments.battle_v4",
        "pettingzoo.butterfly.knights_archers_zombies_v11",
        "pettingzoo.sisl.pursuit_v5",
        "pettingzoo.butterfly.cooperative_pong_v6",
        "mpe2.simple_tag_v3",
        "pettingzoo.classic.hanabi_v5",
    ],
)
def test_a_real_environment_is_drawn(task: str) -> None:
    _skip_without(task)
    env: Any = build(task, Config())
    step, draws = env.reset(0), np.random.default_rng(0)
    pictures = [render(env)]
    for _ in range(4):
        step = env.step(np.where(step.avail, draws.random(step.avail.shape), -1.0).argmax(-1))
    pictures.append(render(env))
    assert pictures[0].shape == pictures[1].shape
    assert not np.array_equal(pictures[0], pictures[1])
    env.close()


def _skip_without(task: str) -> None:
    """Skip where the simulator, or what it needs, is not installed: `nox -s real` has them."""
    if task == "pettingzoo.classic.hanabi_v5":
        pytest.importorskip("pyspiel", reason="pip install open_spiel")
    pytest.importorskip(task.partition(":")[0], reason="nox -s real", exc_type=ImportError)
