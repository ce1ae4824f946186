"""Any PettingZoo parallel environment behind `reset` and `step`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import Env, EnvSpec, Step, episode_return
from marlbench_pettingzoo.config import Config
from marlbench_pettingzoo.importing import simulator
from marlbench_pettingzoo.replayed import Replayed
from marlbench_pettingzoo.spaces import Actions, Observations, mask_of


def build_parallel(task: str, config: Config) -> Env:
    """Give the environment at `package.module` or `package.module:function`."""
    return Replayed(partial(imported, task, config))


def imported(task: str, config: Config) -> Parallel:
    """Import and call the function that a task names; RuntimeError if there is none."""
    path, _, name = task.partition(":")
    module = simulator(path, "install its package, or name another task package.module:function")
    make = vars(module).get(name or "parallel_env")
    if make is None:
        raise RuntimeError(
            f"{path!r} has no {name or 'parallel_env'!r}: the task is package.module:function"
        )
    return Parallel(make(**config.kwargs), config, version(path.partition(".")[0]))


def version(package: str) -> str:
    """Give name and version of an installed package, or the name alone."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return package


class Parallel:
    """One parallel environment, its agents in the order of `possible_agents`.

    Observations of unequal sizes are padded with zeros, fewer actions with ones that are never
    available. An agent that ends while others go on is dead from then on. When all end at once
    it is the end, or a time-out if any was truncated: then only the terminated ones are dead.
    """

    def __init__(
        self,
        env: Any,
        config: Config,
        simulator: str,
        return_bounds: tuple[float, float] | None = None,
    ) -> None:
        if not hasattr(env, "possible_agents"):
            raise RuntimeError("the environment does not say its possible_agents")
        self._env, self._config = env, config
        self._names = list(env.possible_agents)
        self._actions = Actions([env.action_space(n) for n in self._names], config.leaving)
        self._observations = Observations([env.observation_space(n) for n in self._names])
        self._alive = np.ones(len(self._names), np.bool_)  # (A,)
        self._time = 0
        stated = getattr(env, "state_space", None)
        self._stated = stated is not None and len(stated.shape) == 1
        self.spec = EnvSpec(
            num_agents=len(self._names),
            obs_shape=self._observations.shape,
            num_actions=self._actions.count,
            episode_limit=config.limit,
            obs_dtype=self._observations.dtype,
            state_shape=self._state_shape(),
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
        observations, infos = self._env.reset(seed=seed)
        self._time, self._alive = 0, self._present()
        return replace(self._arrival(observations, infos, {}), first=True)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play one joint action (A,), of which the living agents' count."""
        acting = [self._names.index(name) for name in self._env.agents]
        chosen = {self._names[i]: self._actions.native(i, int(actions[i])) for i in acting}
        observations, rewards, terminated, truncated, infos = self._env.step(chosen)
        self._time += 1
        over = all(terminated[name] or truncated[name] for name in chosen)
        terminal = over and all(terminated[name] for name in chosen)
        if not over:
            self._alive = self._present()
        elif not terminal and self.spec.noop is not None:
            self._alive &= np.array([not terminated.get(name) for name in self._names])
        step = self._arrival(observations, infos, rewards)
        return replace(step, last=over or self._time >= self._config.limit, terminal=terminal)

    def close(self) -> None:
        """Free what the simulator holds."""
        self._env.close()

    def _present(self) -> NDArray[np.bool_]:
        """(A,) agents that take part; RuntimeError if one has left that was not expected to."""
        present = np.array([name in self._env.agents for name in self._names])
        if self._actions.noop is None and not present.all():
            raise RuntimeError("an agent has left: with leaving=true agents have a no-op for that")
        return present

    def _arrival(
        self, observations: Mapping[str, Any], infos: Mapping[str, Any], rewards: Mapping[str, Any]
    ) -> Step:
        """Give the step in mid-episode on which these arrived."""
        agents, spec = len(self._names), self.spec
        obs = np.zeros((agents, *spec.obs_shape), spec.obs_dtype)
        avail = np.zeros((agents, spec.num_actions), np.bool_)
        for i, name in enumerate(self._names):
            if not self._alive[i]:
                avail[i, spec.noop] = True
                continue
            seen = observations[name]
            self._observations.place(i, seen, obs[i])
            self._actions.allow(i, mask_of(seen, infos.get(name, {})), avail[i])
        return Step(
            obs=obs,
            avail=avail,
            alive=self._alive.copy(),
            reward=self._shared(rewards),
            first=False,
            last=False,
            terminal=False,
            state=self._state(obs),
        )

    def _shared(self, rewards: Mapping[str, Any]) -> NDArray[np.float32]:
        """Give rewards (A,) as the settings share them."""
        own = np.array([rewards.get(name, 0.0) for name in self._names], np.float32)
        return np.full_like(own, own.sum()) if self._config.reward == "sum" else own

    def _state_shape(self) -> tuple[int, ...] | None:
        """Give the shape of the environment's own state, else of all observations in a row."""
        if self._stated:
            return tuple(self._env.state_space.shape)
        width = len(self._names) * self._observations.shape[0]
        return None if self._observations.image else (width,)

    def _state(self, obs: NDArray[Any]) -> NDArray[np.float32] | None:
        """Give the environment's own state (S,), else all observations (A, O) in a row."""
        if self._stated:
            return np.asarray(self._env.state(), np.float32)
        return None if self._observations.image else obs.flatten()
