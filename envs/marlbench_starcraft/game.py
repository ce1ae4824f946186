"""One copy of a package's environment, told apart: a real end, a time-out, a game that broke."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench_starcraft import agent_state
from marlbench_starcraft.packages import environment
from marlbench_starcraft.tasks import Order

NOOP = 0


class GameCrash(RuntimeError):  # noqa: N818 - says what happened
    """The game broke: the episode was not played to its end."""


@dataclass(frozen=True)
class Sizes:
    """What a package says of a task before any game runs."""

    num_agents: int
    num_actions: int
    obs: int
    state: tuple[int, ...]
    """Shape of the state that the order asks for."""
    episode_limit: int


@dataclass(frozen=True)
class Arrival:
    """What a reset or a step brought."""

    obs: NDArray[np.float32]
    """(A, O)"""
    state: NDArray[np.float32]
    """(S,) or (A, S)"""
    avail: NDArray[np.bool_]
    """(A, U)"""
    reward: float = 0.0
    last: bool = False
    terminal: bool = False
    won: bool = False

    @property
    def alive(self) -> NDArray[np.bool_]:
        """(A,) whoever may not do nothing: the packages offer the no-op to the dead alone."""
        return ~self.avail[:, NOOP]


class Game:
    """Plays an order. A game that broke is not mended here: whoever plays makes a new one.

    The packages would launch another game in the middle of a call and go on with it, after
    which rewards are scaled wrongly (the scale is then learnt twice) and units may be missing.
    """

    def __init__(self, order: Order) -> None:
        """Construct the environment; the game is launched by the first reset."""
        self._order = order
        self._class = environment(order.package)
        self._inner: Any = None
        self._env = self._make(None)
        self._launched = False

    def sizes(self) -> Sizes:
        """Give what the package says of the task; needs no game."""
        info = self._env.get_env_info()
        agents, obs, state = info["n_agents"], info["obs_shape"], info["state_shape"]
        shapes = {
            "global": (state,),
            "observations": (agents * obs,),
            "both": (state + agents * obs,),
            "agent": (agents, agent_state.size(self._inner)),
        }
        return Sizes(
            agents, info["n_actions"], obs, shapes[self._order.state], info["episode_limit"]
        )

    def reset(self, seed: int) -> Arrival:
        """Begin an episode: the seed decides what the package draws, and the game at its launch."""
        random.seed(seed)  # the package shuffles with the global generators
        np.random.seed(seed % 2**32)
        if not self._launched:
            self._env, self._launched = self._make(game_seed(seed)), True
        distributions = getattr(self._env, "env_key_to_distribution_map", {})
        streams = np.random.SeedSequence(seed)
        for name in sorted(distributions):
            reseed(distributions[name], streams)
        self._env.reset()  # of SMACv2 it may give None after a second try, so all is read anew
        return self._read()

    def step(self, actions: NDArray[np.int64]) -> Arrival:
        """Play one joint action (A,); GameCrash if the package reports an episode that broke."""
        reward, ended, info = self._env.step(actions.tolist())
        if "battle_won" not in info:
            raise GameCrash("the package gave an end without a result, as it does after a crash")
        timeout = bool(info.get("episode_limit", False))
        return self._read(
            reward=float(reward),
            last=bool(ended),
            terminal=bool(ended) and not timeout,
            won=bool(info["battle_won"]),
        )

    def _make(self, seed: int | None) -> Any:
        """Construct the environment, which changes the arguments that it is given."""
        env = self._class(seed=seed, **deepcopy(self._order.arguments))
        self._inner = env.env if self._order.package == "smacv2" else env
        self._inner.full_restart = broken
        return env

    def _read(self, **outcome: Any) -> Arrival:
        """Give what there is to see now."""
        obs = np.array(self._env.get_obs(), np.float32)  # (A, O)
        avail = np.array(self._env.get_avail_actions(), np.bool_)  # (A, U)
        obs[avail[:, NOOP]] = 0.0  # whatever the settings add to the zeros of the dead
        return Arrival(obs, self._state(obs, avail), avail, **outcome)

    def _state(self, obs: NDArray[np.float32], avail: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Give the state (S,) or (A, S) that the order asks for."""
        if self._order.state == "agent":
            return agent_state.agent_states(self._inner, avail)
        if self._order.state == "observations":
            return obs.flatten()
        state = np.array(self._env.get_state(), np.float32)
        return state if self._order.state == "global" else np.concatenate([state, obs.flatten()])


def broken() -> None:
    """Stand in for the packages' `full_restart`, which they call when a game broke."""
    raise GameCrash("the connection to the game broke")


def game_seed(seed: int) -> int:
    """Give 31 bits for the game's own generator."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0]) >> 1


def reseed(distribution: Any, streams: np.random.SeedSequence) -> None:
    """Replace the generators of a distribution of SMACv2, and of those that it is made of.

    The package seeds them from the operating system.
    """
    for name, value in sorted(vars(distribution).items()):
        if isinstance(value, np.random.Generator):
            setattr(distribution, name, np.random.default_rng(streams.spawn(1)[0]))
        elif hasattr(value, "generate"):
            reseed(value, streams)
