"""The `lbf` suite: level-based foraging of lbforaging, as a team game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from lbforaging.foraging.environment import Player
from numpy.typing import NDArray

from marlbench.plugin import Env, EnvSpec, Step, episode_return
from marlbench_pettingzoo.parallel import version
from marlbench_pettingzoo.replayed import Replayed


def build_foraging(task: str) -> Env:
    """Give one copy of the task that gymnasium knows as `<task>-v3`; ValueError if it does not."""
    if f"{task}-v3" not in gymnasium.registry or not task.startswith("Foraging"):
        raise ValueError(f"lbf has no task {task!r}; one is Foraging-5x5-2p-1f-coop")
    return Replayed(partial(Foraging, task))


class OrderedPlayer(Player):  # type: ignore[misc]
    """A player whose place in a set is its number, not its address in memory.

    The environment serves loading players in the order of a set, so that which food is eaten
    could otherwise differ between processes.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def __hash__(self) -> int:
        return self._number


class Foraging:
    """One foraging world; its time limit of 50 steps is a time-out, all food eaten the end.

    The reward of every agent is the sum of all agents' (normalised) rewards, in tasks with
    forced cooperation and in others alike, so a world in which all food is eaten returns 1.
    """

    def __init__(self, task: str) -> None:
        made: Any = gymnasium.make(f"{task}-v3", disable_env_checker=True)
        self._env = made.unwrapped
        agents = len(self._env.players)
        self._env.players = [OrderedPlayer(number) for number in range(agents)]
        width = int(np.prod(self._env.observation_space[0].shape))
        self.spec = EnvSpec(
            num_agents=agents,
            obs_shape=(width,),
            num_actions=int(self._env.action_space[0].n),
            episode_limit=int(self._env._max_episode_steps),
            state_shape=(agents * width,),
            noop=0,
            metrics=(episode_return(0.0, 1.0),),
            simulator=version("lbforaging"),
        )

    @property
    def inside(self) -> Any:
        """The foraging environment itself."""
        return self._env

    def reset(self, seed: int) -> Step:
        """Begin the episode that this seed decides.

        Players stand nowhere first: food is not laid where one stood at the end of the last one.
        """
        for player in self._env.players:
            player.position = None
        observations, _ = self._env.reset(seed=seed)
        return replace(self._arrival(observations, 0.0), first=True)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play one joint action (A,)."""
        observations, rewards, ended, _, _ = self._env.step(actions.tolist())
        eaten = not self._env.field.any()
        return replace(self._arrival(observations, sum(rewards)), last=bool(ended), terminal=eaten)

    def close(self) -> None:
        """Free what the simulator holds."""
        self._env.close()

    def _arrival(self, observations: Sequence[NDArray[Any]], reward: float) -> Step:
        """Give the step in mid-episode with these observations, A times (O,)."""
        agents = self.spec.num_agents
        obs = np.stack(observations).reshape(agents, -1).astype(np.float32)  # (A, O)
        return Step(
            obs=obs,
            avail=self._available(),
            alive=np.ones(agents, np.bool_),
            reward=np.full(agents, reward, np.float32),
            first=False,
            last=False,
            terminal=False,
            state=obs.flatten(),
        )

    def _available(self) -> NDArray[np.bool_]:
        """Give the actions (A, U) that the environment would not turn into standing still."""
        avail = np.zeros((self.spec.num_agents, self.spec.num_actions), np.bool_)
        for agent, player in enumerate(self._env.players):
            avail[agent, [action.value for action in self._env._valid_actions[player]]] = True
        return avail
