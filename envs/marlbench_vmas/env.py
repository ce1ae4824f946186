"""E copies of a VMAS scenario behind `reset` and `step`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, episode_return, win_rate
from marlbench_vmas.config import Config
from marlbench_vmas.importing import vmas
from marlbench_vmas.tasks import TASKS


@dataclass(frozen=True)
class Move:
    """One vector step, so that it can be played again."""

    actions: NDArray[np.float32]
    """(E, A, U)."""
    begins: NDArray[np.bool_]
    """(E,): the copy's action is ignored and its next episode begins."""
    seeds: NDArray[np.int64]
    """(E,) of the episodes that begin."""


class VectorVmas:
    """All copies as one world of vmas, each episode drawn from its own seed.

    Its pickle is the moves since the oldest unfinished episode began: what a world holds cannot be
    pickled, and its copies are kept apart (`part`).
    """

    def __init__(self, task: str, config: Config, num_envs: int) -> None:
        """Build the world; ValueError for a task that there is not."""
        if task not in TASKS:
            raise ValueError(f"vmas has no task {task!r}; it has {', '.join(TASKS)}")
        self._made = (task, config, num_envs)
        agents = {} if config.agents is None else {"n_agents": config.agents}
        self.world = vmas().make_env(task, num_envs, terminated_truncated=True, seed=0, **agents)
        part(self.world.world)
        self.num_envs = num_envs
        spaces = self.world.action_space.spaces
        low, high = (np.stack([getattr(each, side) for each in spaces]) for side in ("low", "high"))
        limits = TASKS[task]
        self.spec = EnvSpec(
            num_agents=len(spaces),
            obs_shape=tuple(self.world.observation_space.spaces[0].shape),
            num_actions=low.shape[1],
            episode_limit=config.limit,
            actions="box",
            bounds=tuple(zip(low.min(0).tolist(), high.max(0).tolist(), strict=True)),
            reward=limits.reward,
            metrics=(episode_return(*limits.return_bounds), win_rate()),
            simulator=f"vmas {metadata.version('vmas')}",
        )
        self._time = np.zeros(num_envs, np.int64)  # (E,) env steps of the episodes under way
        self._last = np.ones(num_envs, np.bool_)  # (E,)
        self._moves: list[Move] = []
        self._obs: NDArray[np.float32] = np.zeros(0, np.float32)  # (E, A, O) shown last

    def reset(self, seeds: NDArray[np.int64]) -> Step:
        """Begin an episode in every copy, from seeds (E,)."""
        self._last[:] = True
        nothing = np.zeros((self.num_envs, *self.spec.action_shape), np.float32)
        return self.step(nothing, seeds)

    def step(self, actions: NDArray[np.float32], seeds: NDArray[np.int64]) -> Step:
        """Play joint actions (E, A, U); copies on a `last` step begin the episode of their seed."""
        begins = self._last.copy()
        heard = np.where(begins[:, None, None], np.float32(0), actions)
        return self._play(Move(heard, begins, np.array(seeds)))

    def close(self) -> None:
        """Hold nothing."""

    def _play(self, move: Move) -> Step:
        """Play a move in the world; those who begin are moved too, and forgotten."""
        agents = range(self.spec.num_agents)
        given = [move.actions[:, agent].copy() for agent in agents]
        seen, rewards, ended, *_ = self.world.step(given)
        reward, terminal = columns(rewards), ended.numpy() & ~move.begins  # (E, A), (E,)
        for copy in np.flatnonzero(move.begins):
            self.world.seed(int(move.seeds[copy]))
            self.world.reset_at(int(copy), return_observations=False)
        if move.begins.any():
            (seen,) = self.world.get_from_scenario(
                get_observations=True, get_rewards=False, get_infos=False, get_dones=False
            )
        self._time = np.where(move.begins, 0, self._time + 1)
        self._last = terminal | (self._time >= self.spec.episode_limit)
        self._obs = columns(seen)
        self._remember(move)
        fallen = np.asarray(getattr(self.world.scenario, "on_the_ground", False))
        everyone = self._obs.shape[:2]  # (E, A)
        return Step(
            obs=self._obs.copy(),
            avail=np.ones((*everyone, self.spec.num_actions), np.bool_),
            alive=np.ones(everyone, np.bool_),
            reward=np.where(move.begins[:, None], np.float32(0), reward),
            first=move.begins.copy(),
            last=self._last.copy(),
            terminal=terminal,
            info={"won": terminal & ~fallen},
        )

    def _remember(self, move: Move) -> None:
        """Keep the move, and of those before it what the episodes under way still need."""
        self._moves = [*self._moves, move][-int(self._time.max()) - 1 :]

    def __getstate__(self) -> dict[str, Any]:
        """Give what the episodes under way can be played again from, and where they arrive."""
        return {"made": self._made, "moves": self._moves, "obs": self._obs, "time": self._time}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Play again; RuntimeError if the copies arrive elsewhere."""
        self.__init__(*state["made"])  # type: ignore[misc]
        for move in state["moves"]:
            self._play(move)
        if state["moves"] and not np.array_equal(self._obs, state["obs"]):
            raise RuntimeError("copies of vmas that were played again came out elsewhere")


def part(world: Any) -> None:
    """Let copies touch each other no more: whether two bodies may meet does not ask where they are.

    vmas looks at a pair's forces in all copies once it is near in any of them, and its measure of
    nearness is a little less than what touches, so that a copy's end of a line feels the others.
    """

    def collides(a: Any, b: Any) -> bool:
        free = any((a.movable, a.rotatable, b.movable, b.rotatable))
        known = {type(a.shape), type(b.shape)} in world._collidable_pairs
        return a is not b and a.collides(b) and b.collides(a) and free and known

    world.collides = collides


def columns(each: Any) -> NDArray[np.float32]:
    """Give (E, A, ...) for a list of A tensors (E, ...)."""
    return np.stack([one.numpy() for one in each], axis=1)
