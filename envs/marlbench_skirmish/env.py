"""Battles behind `reset` and `step`: what agents see, may do and are paid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, episode_return, win_rate
from marlbench_skirmish.config import Config
from marlbench_skirmish.masks import refuse_unavailable
from marlbench_skirmish.tasks import TASKS
from marlbench_skirmish.world import FIRST_ATTACK, HEADINGS, Bools, Floats, World

NOOP, STOP = 0, 1
MOVES = slice(2, FIRST_ATTACK)
SEEN = 5
"""Features of a seen unit before its type: in reach (an ally: 1), distance, x, y, health."""


class VectorSkirmish:
    """E copies of a task in lockstep."""

    def __init__(self, task: str, config: Config, num_envs: int) -> None:
        self._task, self._config, self._num_envs = TASKS[task], config, num_envs
        self._world = World(self._task, num_envs)
        self._limit = max(1, round(self._task.limit * config.limit_scale))
        self._time = np.zeros(num_envs, np.int64)  # (E,)
        self._last = np.ones(num_envs, np.bool_)  # (E,)
        self._avail: Bools = np.zeros(0, np.bool_)
        self._distance: Floats = np.zeros(0, np.float32)
        kinds = len(self._task.types)
        self._bits = np.eye(kinds, dtype=np.float32)[:, : kinds if kinds > 1 else 0]  # (K, bits)
        self._headings = np.array(HEADINGS[MOVES], np.float32)  # (4, 2)

    @property
    def num_envs(self) -> int:
        """E."""
        return self._num_envs

    @property
    def world(self) -> World:
        """The battles, as nobody sees them."""
        return self._world

    @property
    def sight(self) -> float:
        """Distance at which a unit sees, in map units."""
        return self._config.sight

    @property
    def spec(self) -> EnvSpec:
        """Sizes and limits of the task."""
        agents, enemies = self._world.agents, self._world.enemies
        bits = self._bits.shape[1]
        return EnvSpec(
            num_agents=agents,
            obs_shape=(4 + (agents + enemies - 1) * (SEEN + bits) + 4 + bits,),
            num_actions=FIRST_ATTACK + enemies,
            episode_limit=self._limit,
            state_shape=((agents + enemies) * (4 + bits),),
            noop=NOOP,
            metrics=(win_rate(), episode_return(0.0, self._config.best_return)),
            simulator="skirmish 1",
        )

    def reset(self, seeds: NDArray[np.int64]) -> Step:
        """Begin the episodes of seeds (E,) in every copy."""
        self._begin(np.ones(self._num_envs, np.bool_), seeds)
        nothing = np.zeros(self._num_envs, np.float32)
        return self._arrival(nothing, np.ones(self._num_envs, np.bool_))

    def step(self, actions: NDArray[np.int64], seeds: NDArray[np.int64]) -> Step:
        """Play joint actions (E, A); copies on a last step begin the episode of their seed."""
        first = self._last
        actions = np.where(first[:, None], NOOP, actions)
        refuse_unavailable(actions, self._avail, first)
        lost, kills = self._world.play(actions, self._distance)
        self._time += 1
        config, agents = self._config, self._world.agents
        won = ~self._world.alive[:, agents:].any(1) & self._world.alive[:, :agents].any(1)
        worth = config.kill_bonus * self._world.enemies + config.win_bonus
        best = self._world.full[:, agents:].sum(1) + worth  # (E,)
        gain = lost + config.kill_bonus * kills + config.win_bonus * won  # (E,)
        reward = np.where(first, 0, gain * (config.best_return / best)).astype(np.float32)
        if first.any():
            self._begin(first, seeds)
        return self._arrival(reward, first)

    def close(self) -> None:
        """Hold nothing."""

    def _begin(self, which: Bools, seeds: NDArray[np.int64]) -> None:
        for env in np.flatnonzero(which).tolist():
            self._world.begin(env, int(seeds[env]))
        self._time[which] = 0

    def _arrival(self, reward: Floats, first: Bools) -> Step:
        """Give the time step that all copies now stand on."""
        world, agents = self._world, self._world.agents
        alive = world.alive  # (E, N)
        friends, foes = alive[:, :agents], alive[:, agents:]
        dx, dy, distance = world.offsets()  # (E, A, N - 1)
        self._distance = distance[..., : world.enemies]
        self._avail = self._available(friends, foes)  # (E, A, U)
        terminal = ~friends.any(1) | ~foes.any(1)  # (E,)
        self._last = terminal | (self._time >= self._limit)
        per_agent = np.broadcast_to(reward[:, None], friends.shape).copy()  # (E, A)
        return Step(
            obs=self._observations(alive, dx, dy, distance),
            avail=self._avail,
            alive=friends,
            reward=per_agent,
            first=first,
            last=self._last,
            terminal=terminal,
            state=self._states(alive),
            info={"won": friends.any(1) & ~foes.any(1)},
        )

    def _available(self, friends: Bools, foes: Bools) -> Bools:
        """(E, A, U): the no-op for the dead alone; moves on the map and foes in reach."""
        world, agents = self._world, self._world.agents
        avail = np.empty((*friends.shape, FIRST_ATTACK + world.enemies), np.bool_)
        avail[..., NOOP] = ~friends
        avail[..., STOP] = True
        x, y, speed = (a[:, :agents] for a in (world.x, world.y, world.speed))  # (E, A)
        size = self._task.size
        avail[..., 2] = y + speed <= size
        avail[..., 3] = y >= speed
        avail[..., 4] = x + speed <= size
        avail[..., 5] = x >= speed
        reach = world.reach[:, :agents, None]
        avail[..., FIRST_ATTACK:] = (self._distance <= reach) & foes[:, None]
        avail[..., STOP:] &= friends[..., None]
        return avail

    def _observations(self, alive: Bools, dx: Floats, dy: Floats, distance: Floats) -> Floats:
        """(E, A, O): moves, every enemy, every other agent, oneself; zeros for the unseen."""
        world, agents, sight = self._world, self._world.agents, self._config.sight
        others, bits = world.others, self._bits[world.kind]  # (A, N - 1), (E, N, bits)
        share = world.health / world.full  # (E, N)
        seen = (distance <= sight) & alive[:, others] & alive[:, :agents, None]
        units = np.empty((*seen.shape, SEEN + bits.shape[-1]), np.float32)
        units[..., : world.enemies, 0] = self._avail[..., FIRST_ATTACK:]
        units[..., world.enemies :, 0] = 1
        units[..., 1], units[..., 2], units[..., 3] = distance / sight, dx / sight, dy / sight
        units[..., 4] = share[:, others]
        units[..., SEEN:] = bits[:, others]
        units *= seen[..., None]
        moves = self._avail[..., MOVES]  # (E, A, 4)
        own = self._features(share, bits, alive)[:, :agents]  # (E, A, 4 + bits)
        flat = units.reshape(*units.shape[:2], -1)  # (E, A, (N - 1) * (SEEN + bits))
        return np.concatenate([moves, flat, own], axis=-1, dtype=np.float32)

    def _features(self, share: Floats, bits: Floats, alive: Bools) -> Floats:
        """(E, N, 4 + bits) health, weapon, place and type of each living unit."""
        world, half = self._world, self._task.size / 2
        features = np.empty((*alive.shape, 4 + bits.shape[-1]), np.float32)
        features[..., 0] = share
        features[..., 1] = world.cooldown / world.period
        features[..., 2], features[..., 3] = world.x / half - 1, world.y / half - 1
        features[..., 4:] = bits
        features *= alive[..., None]
        return features

    def _states(self, alive: Bools) -> Floats:
        """(E, S): the features of all units, as nobody sees them."""
        world = self._world
        features = self._features(world.health / world.full, self._bits[world.kind], alive)
        return features.reshape(self._num_envs, -1)
