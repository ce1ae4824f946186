"""Any PettingZoo parallel environment behind `reset` and `step`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.errors import SpecViolation
from marlbench.plugin import Env, EnvSpec, Step, episode_return
from marlbench_pettingzoo import presence
from marlbench_pettingzoo.config import Config
from marlbench_pettingzoo.conversions import Turns, maker, parallel
from marlbench_pettingzoo.importing import simulator
from marlbench_pettingzoo.limits import own_limit
from marlbench_pettingzoo.numbers import actions_of
from marlbench_pettingzoo.replayed import Replayed
from marlbench_pettingzoo.spaces import Observations, mask_of

RGB = "rgb_array"
"""The mode in which PettingZoo's environments draw pictures."""
UNSAID = 500
"""Env steps after which episodes are cut where neither environment nor user says a limit."""


def build_parallel(task: str, config: Config) -> Env:
    """Give the environment at `package.module`, `package.module:function` or `package:id`."""
    drawn = config.model_copy(update={"kwargs": {**config.kwargs, "render_mode": RGB}})
    return Replayed(partial(imported, task, config), partial(imported, task, drawn), config.fresh)


def imported(task: str, config: Config) -> Parallel:
    """Import and call the function that a task names; RuntimeError if there is none."""
    path, _, name = task.partition(":")
    if os.getcwd() not in sys.path:  # where `python -m` would find a module
        sys.path.append(os.getcwd())
    module = simulator(path, "install its package, or name another task package.module:function")
    make = maker(module, name)
    if make is None:
        raise RuntimeError(
            f"{path!r} has no {name or 'parallel_env'!r}: the task is package.module:function"
        )
    return Parallel(parallel(make(**config.kwargs)), config, version(path.partition(".")[0]))


def version(package: str) -> str:
    """Give name and version of an installed package, or the name alone."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return package


class Parallel:
    """One parallel environment, its agents in the order of `possible_agents`.

    Observations of unequal sizes are padded with zeros, fewer actions with ones that are never
    available. Who has to wait for its turn has the no-op alone. Flags say who is there: an agent
    that ends while others go on is dead from then on, and `env.agents` must say the same. When
    all end at once it is the end, or a time-out if any was truncated: then only the terminated
    ones are dead. Whoever ends need not be observed any more. What contradicts itself or its
    space is a `SpecViolation` that names the agent.
    """

    def __init__(
        self,
        env: Any,
        config: Config,
        simulator: str,
        return_bounds: tuple[float, float] | None = None,
    ) -> None:
        self._env, self._config = env, config
        self._names = presence.names_of(env)
        acts = {name: env.action_space(name) for name in self._names}
        self._actions = actions_of(acts, config.leaving, config.joint_actions)
        sees = {name: env.observation_space(name) for name in self._names}
        self._observations = Observations(sees, config.images)
        self._alive = np.ones(len(self._names), np.bool_)  # (A,)
        self._turns = Turns(env, can_wait=config.leaving)
        self._time = 0
        stated = getattr(getattr(env, "state_space", None), "shape", None)
        self._stated = None if stated is None or len(stated) != 1 else tuple(stated)
        self.spec = EnvSpec(
            num_agents=len(self._names),
            obs_shape=self._observations.shape,
            num_actions=self._actions.count,
            episode_limit=config.limit or own_limit(env) or UNSAID,
            obs_dtype=self._observations.dtype,
            state_shape=self._state_shape(),
            actions=self._actions.kind,
            bounds=self._actions.bounds,
            noop=self._actions.noop,
            reward="individual" if config.reward == "individual" else "team",
            metrics=(episode_return(*(return_bounds or (None, None))),),
            simulator=simulator,
        )

    @property
    def inside(self) -> Any:
        """The PettingZoo environment itself."""
        return self._env

    def reset(self, seed: int) -> Step:
        """Begin the episode that this seed decides."""
        arrived = presence.begun(self._env.reset(seed=seed), self._names)
        self._time, there = 0, presence.listed(self._env, self._names)
        self._alive = np.array([name in there for name in self._names])
        self._require_noop()
        return replace(self._arrival(arrived), first=True)

    def step(self, actions: NDArray[Any]) -> Step:
        """Play one joint action (A, *), of which the living agents' count."""
        chosen = {
            name: self._actions.native(i, actions[i])
            for i, name in enumerate(self._names)
            if self._alive[i]
        }
        arrived = presence.answered(self._env.step(chosen), self._names, chosen)
        presence.require_agreement(arrived, presence.listed(self._env, self._names))
        self._time += 1
        left = arrived.terminated if arrived.over else arrived.ended
        if not arrived.terminal and (not arrived.over or self._actions.can_leave):
            self._alive &= np.array([name not in left for name in self._names])
        self._require_noop()
        cut = not arrived.over and self._time >= self.spec.episode_limit
        return replace(
            self._arrival(arrived),
            reward=self._shared(arrived),
            last=arrived.over or cut,
            terminal=arrived.terminal,
            info={"cut": cut},
        )

    def close(self) -> None:
        """Free what the simulator holds."""
        self._env.close()

    def _require_noop(self) -> None:
        """Refuse it if an agent has left that was not expected to."""
        if not self._actions.can_leave and not self._alive.all():
            name = self._names[int(self._alive.argmin())]
            raise SpecViolation(f"{name} has left: with leaving=true agents have a no-op for that")

    def _arrival(self, arrived: presence.Arrival) -> Step:
        """Give the step in mid-episode on which this arrived, without its rewards."""
        agents, spec = len(self._names), self.spec
        obs = np.zeros((agents, *spec.obs_shape), spec.obs_dtype)
        avail = np.zeros((agents, spec.num_actions), np.bool_)
        for i, name in enumerate(self._names):
            if not self._alive[i]:
                self._actions.rest(avail[i])
                continue
            seen, ended = arrived.observations.get(name), name in arrived.ended
            if seen is not None:
                self._observations.place(i, seen, obs[i])
            elif not ended:
                raise SpecViolation(f"{name} lives on, but has no observation")
            if self._turns.waits(name) and not ended:
                self._actions.rest(avail[i])
                continue
            mask = mask_of(seen, arrived.infos.get(name) or {})
            self._actions.allow(i, mask, avail[i], ended)
        return Step(
            obs=obs,
            avail=avail,
            alive=self._alive.copy(),
            reward=np.zeros(agents, np.float32),
            first=False,
            last=False,
            terminal=False,
            state=self._state(obs, arrived.over),
        )

    def _shared(self, arrived: presence.Arrival) -> NDArray[np.float32]:
        """Give rewards (A,) as the settings share them; who is not paid is paid nothing."""
        own = {name: number(name, reward) for name, reward in arrived.rewards.items()}
        if self._config.reward == "shared":
            paid = {name: own[name] for name in arrived.acting if name in own}
            if len(set(paid.values())) > 1:
                raise SpecViolation(
                    f"rewards are not shared: {paid}; --set suite.reward=sum pays all the sum, "
                    "individual each its own"
                )
            return np.full(len(self._names), next(iter(paid.values()), 0.0), np.float32)
        each = np.array([own.get(name, 0.0) for name in self._names])
        return (np.full_like(each, each.sum()) if self._config.reward == "sum" else each).astype(
            np.float32
        )

    def _state_shape(self) -> tuple[int, ...] | None:
        """Give the shape of the environment's own state, else of all observations in a row."""
        if self._stated:
            return self._stated
        width = len(self._names) * self._observations.shape[0]
        return None if self._observations.image else (width,)

    def _state(self, obs: NDArray[Any], over: bool) -> NDArray[np.float32] | None:
        """Give the environment's own state (S,), else all observations (A, O) in a row.

        Zeros where all have ended and there is none: many are made of those who are left.
        """
        if self._stated is None:
            return None if self._observations.image else obs.flatten()
        try:
            state = np.asarray(self._env.state(), np.float32)
        except NotImplementedError:
            raise SpecViolation("state_space is declared, but state() is not written") from None
        except Exception:
            if not over:
                raise
            state = np.zeros(0, np.float32)
        return np.zeros(self._stated, np.float32) if over and state.shape != self._stated else state


def number(name: str, reward: Any) -> float:
    """Give an agent's reward as a number; an array of one is one, what else is none is refused."""
    value = np.asarray(reward)
    if value.size != 1 or not (np.issubdtype(value.dtype, np.number) or value.dtype == np.bool_):
        raise SpecViolation(f"{name}'s reward is {reward!r}, not a number")
    return float(value.item())
