"""The battle itself: E fights as arrays, what one step does to them and how they begin.

Every operation is elementwise over E, and sums are of sixteenths, so that an episode is the same
to the last bit whatever E is. `N` units: the A agents first, then the M enemies.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from marlbench_skirmish.tasks import UNIT_TYPES, Task

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

FIRST_ATTACK = 6
"""Actions: 0 no-op, 1 stop, 2 north, 3 south, 4 east, 5 west, 6 + i attack enemy i."""
HEADINGS = ((0.0, 0.0), (0.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (-1.0, 0.0))
"""Direction (x, y) of each action before the attacks."""
FAR = np.float32(1e9)
"""Distance to whoever is dead; finite, so that nothing computed from it is a NaN."""


class World:
    """E battles of one task: positions, health and weapons of N units."""

    def __init__(self, task: Task, num_envs: int) -> None:
        self.task = task
        self.agents, self.enemies = len(task.allies), len(task.enemies)
        shape = (num_envs, self.agents + self.enemies)
        self.kind = np.zeros(shape, np.int64)  # (E, N)
        self.x, self.y = np.zeros(shape, np.float32), np.zeros(shape, np.float32)  # (E, N)
        self.health = np.zeros(shape, np.float32)  # (E, N)
        self.cooldown = np.zeros(shape, np.float32)  # (E, N) steps until the weapon is ready
        self.attack = np.zeros((num_envs, self.agents, self.enemies), np.bool_)  # (E, A, M)
        self.hit = self.attack.copy()  # (E, A, M) shots of the last step, at enemies and agents
        types = [UNIT_TYPES[name] for name in task.types]
        self._table = np.array([[t.health, t.damage, t.reach, t.period, t.speed] for t in types])
        self.full, self.damage, self.reach, self.period, self.speed = (
            np.ones(shape, np.float32) for _ in range(5)
        )  # (E, N) each
        agents, units = range(self.agents), range(self.agents + self.enemies)
        foes = list(units[self.agents :])
        self.others = np.array([foes + [b for b in agents if b != a] for a in agents])
        headings = np.zeros((2, FIRST_ATTACK + self.enemies), np.float32)
        headings[:, :FIRST_ATTACK] = np.array(HEADINGS, np.float32).T
        self._east, self._north = headings  # (U,) each
        self._target = np.arange(FIRST_ATTACK, FIRST_ATTACK + self.enemies)
        self._agent = np.arange(self.agents)[:, None]

    @property
    def alive(self) -> Bools:
        """(E, N) units with health left."""
        return self.health > 0

    def begin(self, env: int, seed: int) -> None:
        """Set up battle `env` as this seed decides."""
        rng = np.random.default_rng(seed)
        kind, x, y = random_start(self.task, rng) if self.task.random else start(self.task, rng)
        self.kind[env], self.x[env], self.y[env] = kind, x, y
        rows = (self.full, self.damage, self.reach, self.period, self.speed)
        for row, values in zip(rows, self._table[kind].T, strict=True):
            row[env] = values
        self.damage[env, self.agents :] *= self.task.strength
        self.health[env] = self.full[env]
        self.cooldown[env] = 0.0
        self.attack[env] = self.hit[env] = False

    def offsets(self) -> tuple[Floats, Floats, Floats]:
        """Give x and y offset and distance from every agent to the others, enemies first."""
        dx = self.x[:, self.others] - self.x[:, : self.agents, None]  # (E, A, N - 1)
        dy = self.y[:, self.others] - self.y[:, : self.agents, None]  # (E, A, N - 1)
        return dx, dy, np.sqrt(dx * dx + dy * dy)

    def play(self, actions: NDArray[np.int64], distance: Floats) -> tuple[Floats, Floats]:
        """Move and shoot at once, by actions (E, A) and agent-enemy distances (E, A, M).

        Everyone decides on what stood before: a unit that is shot dead still shoots. Gives the
        health (E,) that enemies lost and how many of them (E,) died.
        """
        alive, ready = self.alive, self.cooldown == 0  # (E, N)
        attack = actions[..., None] == self._target  # (E, A, M)
        attack &= (ready & alive)[:, : self.agents, None]
        nearest, near, close = self._aim(distance, alive)  # (E, M)
        shoot = close & ready[:, self.agents :]  # (E, M)
        fired = np.concatenate([attack.any(-1), shoot], axis=1)  # (E, N)
        hit = (nearest[:, None] == self._agent) & shoot[:, None]  # (E, A, M)
        self.attack, self.hit = attack, hit
        lost = self._shots(attack, hit)  # (E, N)
        self._walk(actions, nearest, near, ~close & alive[:, self.agents :])
        self.cooldown = np.maximum(np.where(fired, self.period, self.cooldown) - 1, 0)
        lost = np.minimum(lost, self.health)
        self.health -= lost
        dead = (alive & ~self.alive)[:, self.agents :]  # (E, M)
        return lost[:, self.agents :].sum(1), dead.sum(1).astype(np.float32)

    def _aim(self, distance: Floats, alive: Bools) -> tuple[NDArray[np.int64], Floats, Bools]:
        """Give each enemy's nearest living agent, its distance, and whether it can be shot."""
        seen = np.where(alive[:, : self.agents, None], distance, FAR)  # (E, A, M)
        near = seen.min(1)  # (E, M)
        close = (near <= self.reach[:, self.agents :]) & alive[:, self.agents :]
        return seen.argmin(1), near, close

    def _shots(self, attack: Bools, hit: Bools) -> Floats:
        """Give the damage (E, N) of all shots, (E, A, M) each way."""
        on_agents = (hit * self.damage[:, None, self.agents :]).sum(2)  # (E, A)
        on_enemies = (attack * self.damage[:, : self.agents, None]).sum(1)  # (E, M)
        return np.concatenate([on_agents, on_enemies], axis=1)

    def _walk(
        self, actions: NDArray[np.int64], nearest: NDArray[np.int64], near: Floats, chase: Bools
    ) -> None:
        """Move agents by their actions and chasing enemies straight at their target."""
        a, speed = self.agents, self.speed
        stride = np.where(chase, speed[:, a:] / np.maximum(near, speed[:, a:]), 0)  # (E, M)
        rows = np.arange(len(nearest))[:, None]
        for place, heading in ((self.x, self._east), (self.y, self._north)):
            to_target = place[rows, nearest] - place[:, a:]  # (E, M)
            place[:, :a] += heading[actions] * speed[:, :a]
            place[:, a:] += stride * to_target


def start(task: Task, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Give types and places (N,) of two ragged lines that face each other."""
    kind = np.array([task.types.index(name) for name in task.allies + task.enemies])
    jitter = rng.uniform(-1.0, 1.0, (2, len(kind)))  # (2, N)
    x, y = [], []
    for names, column in ((task.allies, 0.22), (task.enemies, 0.78)):
        gap = min(1.5, (task.size - 2.0) / len(names))
        middle = (len(names) - 1) / 2
        x += [column * task.size] * len(names)
        y += [task.size / 2 + (k - middle) * gap for k in range(len(names))]
    return kind, *inside(np.array(x) + jitter[0], np.array(y) + jitter[1], task.size)


def random_start(task: Task, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Give types and places (N,) as SMACv2 draws them: reflected or surrounded, equally often."""
    team, half = len(task.allies), task.size / 2
    weights = [0.45, 0.45, 0.1]
    kind = np.tile(rng.choice(len(weights), team, p=weights), 2)  # (N,)
    if rng.random() < 0.5:
        x, y = rng.uniform(0.5, half - 1.5, team), rng.uniform(0.5, task.size - 0.5, team)
        return kind, *inside(np.r_[x, task.size - x], np.r_[y, y], task.size)
    x, y = half + rng.uniform(-1.5, 1.5, (2, team))
    angle = rng.integers(4, size=team) * (math.pi / 2) + math.pi / 4
    away = rng.uniform(0.6, 0.8) * task.size / math.sqrt(2)
    far = half + away * np.stack([np.cos(angle), np.sin(angle)])  # (2, M)
    return kind, *inside(np.r_[x, far[0]], np.r_[y, far[1]], task.size)


def inside(x: NDArray[np.float64], y: NDArray[np.float64], size: float) -> tuple[Floats, Floats]:
    """Give places on the map."""
    return np.clip(x, 0, size).astype(np.float32), np.clip(y, 0, size).astype(np.float32)
