"""What both stand-ins have in common: an invented battle behind the packages' calls.

Allies stand at a distance from the enemies and walk east to reach them; whoever is in reach can
hit and is hit. To stand still is to run out of time, to walk there and not to fight is to lose.
Troubles are asked for by the environment variable API_STANDIN_TROUBLE, such as `crash@5 hang@9`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

NO_ATTACK = 6
EAST, WEST = 4, 5
START, REACH, FARTHEST = 10.0, 6.0, 16.0
MAP_SIZE = 32

happened: Counter[str] = Counter()


class BrokenConnection(Exception):  # noqa: N818 - pysc2 calls it ConnectionError
    """The game does not answer any more."""


def trouble(what: str) -> bool:
    """Count that something happens; True, or what trouble itself does, if now is the time."""
    happened[what] += 1
    asked = os.environ.get("API_STANDIN_TROUBLE", "").split()
    if f"{what}@{happened[what]}" not in asked:
        return False
    if what == "hang":
        time.sleep(1000)
    if what == "die":
        print("the stand-in is gone", file=sys.stderr, flush=True)
        os._exit(3)
    if what == "launch":
        print("SC2_x64: libstdc++.so.6: cannot open shared object file", flush=True)
        print("I1129 12:00:00.000000 1 sc_process.py:232] Shutdown gracefully.", flush=True)
    if what in ("crash", "reset", "launch"):
        raise BrokenConnection(what)
    return True


@dataclass(frozen=True)
class Map:
    """What the packages' registries say of a map."""

    n_agents: int
    n_enemies: int
    limit: int
    shields: tuple[int, int] = (0, 0)
    type_bits: int = 0
    own_extra: int = 0


class Game:
    """The process of a game: it sleeps, and is there to be killed."""

    def __init__(self, seed: int | None) -> None:
        trouble("launch")
        self.process = subprocess.Popen(["sleep", "600"])
        if ledger := os.environ.get("API_STANDIN_LAUNCHES"):
            with open(ledger, "a", encoding="utf-8") as file:
                file.write(f"{self.process.pid} {seed}\n")

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class Place:
    """Where a unit is."""

    x: float
    y: float


class Unit:
    """A unit as the packages show it: allies stand in a column west of the enemies'."""

    health_max, weapon_cooldown, shield, energy, unit_type = 45.0, 3.0, 0.0, 0.0, 1

    def __init__(self, battle: Battle, number: int, ally: bool) -> None:
        self.battle, self.number, self.ally = battle, number, ally

    @property
    def health(self) -> float:
        """What is left."""
        healths = self.battle.ally_health if self.ally else self.battle.enemy_health
        return float(healths[self.number])

    @property
    def pos(self) -> Place:
        """Where it is."""
        away = float(self.battle.distance[self.number]) if self.ally else 0.0
        return Place(MAP_SIZE / 2 - away, float(self.number))


class Battle:
    """The calls of both packages' `StarCraft2Env`, but for `reset`."""

    map_x = map_y = max_distance_x = max_distance_y = MAP_SIZE
    map_type, medivac_id = "open field", 0

    def __init__(
        self, field: Map, seed: int | None, continuing_episode: bool, masks_attacks: bool = True
    ) -> None:
        self.n_agents, self.n_enemies = field.n_agents, field.n_enemies
        self.episode_limit, self.field = field.limit, field
        self.n_actions = NO_ATTACK + field.n_enemies
        self.continuing_episode, self.masks_attacks = continuing_episode, masks_attacks
        self.max_reward = field.n_enemies * 10 + 200.0
        self._seed, self._episode_count, self._episode_steps = seed, 0, 0
        self._sc2_proc: Game | None = None
        self.agents: dict[int, Unit] = {}
        self.shield_bits_ally, self.shield_bits_enemy = field.shields
        self.unit_type_bits = field.type_bits
        self.shown = np.zeros(1)

    def begin(self) -> None:
        """Launch a game, or end the units of the last episode."""
        self._episode_steps = 0
        self.last_action = np.zeros((self.n_agents, self.n_actions))
        if self._episode_count == 0:
            self._launch()

    def place(self, allies: list[float], enemies: list[float]) -> None:
        """Put units of these healths on the field."""
        self.agents = {number: Unit(self, number, ally=True) for number in range(self.n_agents)}
        self.enemies = {number: Unit(self, number, ally=False) for number in range(self.n_enemies)}
        self.ally_health, self.enemy_health = np.array(allies), np.array(enemies)
        self.distance = np.full(self.n_agents, START)
        if self._episode_count == 0:  # learnt once in the life of an environment
            self.max_reward += self.enemy_health.sum()

    def _launch(self) -> None:
        self._sc2_proc = Game(self._seed)
        self.random = np.random.default_rng(self._seed)

    def full_restart(self) -> None:
        """Launch another game, without units."""
        self.close()
        self._launch()
        self.agents = {}

    def step(self, actions: list[int]) -> tuple[float, bool, dict[str, Any]]:
        """Play; an end without any info where the connection broke."""
        for agent, action in enumerate(actions):
            available = self.get_avail_agent_actions(agent)
            assert available[action] == 1, f"Agent {agent} cannot perform action {action}"
        self.last_action = np.eye(self.n_actions)[actions]
        try:
            trouble("die")
            trouble("hang")
            trouble("crash")
        except BrokenConnection:
            self.full_restart()
            return 0, True, {}
        self._episode_steps += 1
        reward = self._fight(actions)
        return self._outcome(reward)

    def _fight(self, actions: list[int]) -> float:
        """Move, hit and be hit; give the damage done, 10 a kill."""
        before, killed = self.enemy_health.sum(), (self.enemy_health > 0).sum()
        for agent, action in enumerate(actions):
            step = {EAST: -2.0, WEST: 2.0}.get(action, 0.0)
            self.distance[agent] = np.clip(self.distance[agent] + step, 0.0, FARTHEST)
            if action >= NO_ATTACK and self.distance[agent] <= REACH:
                hit = self.random.uniform(8.0, 12.0)
                target = action - NO_ATTACK
                self.enemy_health[target] = max(0.0, self.enemy_health[target] - hit)
        for _ in np.flatnonzero(self.enemy_health > 0):
            exposed = np.flatnonzero((self.ally_health > 0) & (self.distance <= REACH))
            if len(exposed):
                hurt = self.random.choice(exposed)
                self.ally_health[hurt] = max(0.0, self.ally_health[hurt] - 3.0)
        return float(
            before - self.enemy_health.sum() + 10 * (killed - (self.enemy_health > 0).sum())
        )

    def _outcome(self, reward: float) -> tuple[float, bool, dict[str, Any]]:
        """Give what `step` gives."""
        allies, enemies = (self.ally_health > 0).sum(), (self.enemy_health > 0).sum()
        won = bool(allies and not enemies)
        info: dict[str, Any] = {"battle_won": won}
        info["dead_allies"] = int(self.n_agents - allies)
        info["dead_enemies"] = int(self.n_enemies - enemies)
        over = not (allies and enemies)
        if not over and self._episode_steps >= self.episode_limit:
            over = True
            if self.continuing_episode:
                info["episode_limit"] = True
        self._episode_count += over
        return (reward + 200 * won) / (self.max_reward / 20), bool(over), info

    def get_obs_agent(self, agent: int) -> list[float]:
        """Give numbers that say where everybody stands; zeros for the dead."""
        unit = self.agents[agent]  # KeyError where a restart lost the units
        size = self.get_obs_size()
        if unit.health <= 0:
            return [0.0] * size
        seen = np.concatenate([self.distance[[agent]], self.shown, self.ally_health])
        numbers: list[float] = np.resize(np.concatenate([seen, self.enemy_health]), size).tolist()
        return numbers

    def get_obs(self) -> list[Any]:
        """Give everybody's."""
        return [self.get_obs_agent(agent) for agent in range(self.n_agents)]

    def get_state(self) -> Any:
        """Give the healths and distances, repeated to the size."""
        healths = np.concatenate([self.ally_health, self.enemy_health, self.distance])
        return np.resize(healths, self.get_state_size()).astype(np.float32)

    def get_avail_agent_actions(self, agent: int) -> list[int]:
        """Give the mask of one agent."""
        if self.ally_health[agent] <= 0:
            return [1] + [0] * (self.n_actions - 1)
        near = self.distance[agent] <= REACH or not self.masks_attacks
        moves = [1, 1, 1, int(self.distance[agent] > 0), int(self.distance[agent] < FARTHEST)]
        return [0, *moves, *(int(near and health > 0) for health in self.enemy_health)]

    def get_avail_actions(self) -> list[list[int]]:
        """Give everybody's masks."""
        return [self.get_avail_agent_actions(agent) for agent in range(self.n_agents)]

    def unit_sight_range(self, agent: int) -> float:
        """Give how far an agent sees."""
        return 9.0

    def unit_max_cooldown(self, unit: Unit) -> float:
        """Give the time between two shots."""
        return 15.0

    def unit_max_shield(self, unit: Unit) -> float:
        """Give a whole shield."""
        return 80.0

    def get_unit_type_id(self, unit: Unit, ally: bool) -> int:
        """Give the number of the type."""
        return unit.number % self.unit_type_bits

    def get_obs_size(self) -> int:
        """Moves, enemies, other allies, own; each with health, shield and type where there are."""
        ally, enemy = (shield + self.field.type_bits for shield in self.field.shields)
        others = (self.n_agents - 1) * (5 + ally)
        return 4 + self.n_enemies * (5 + enemy) + others + 1 + ally + self.field.own_extra

    def get_state_size(self) -> int:
        """Allies, enemies, last actions."""
        ally, enemy = (shield + self.field.type_bits for shield in self.field.shields)
        return self.n_agents * (4 + ally + self.n_actions) + self.n_enemies * (3 + enemy)

    def get_total_actions(self) -> int:
        """Count the actions."""
        return self.n_actions

    def get_env_info(self) -> dict[str, Any]:
        """Give the sizes; no game is needed for that."""
        return {
            "state_shape": self.get_state_size(),
            "obs_shape": self.get_obs_size(),
            "n_actions": self.n_actions,
            "n_agents": self.n_agents,
            "episode_limit": self.episode_limit,
        }

    def close(self) -> None:
        """End the game."""
        if self._sc2_proc:
            self._sc2_proc.close()
