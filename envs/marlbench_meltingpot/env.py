"""A substrate behind `reset` and `step`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench_meltingpot.config import Config
from marlbench_meltingpot.substrate import Episode, Substrate

__all__ = ["MeltingPot", "halved"]

NOOP = 0


class MeltingPot:
    """One copy of a substrate. Its pickle is the episode's seed and actions, played again."""

    def __init__(self, task: str, config: Config) -> None:
        self._task, self._config = task, config
        self._substrate = Substrate(task, config)
        self._episode: Episode | None = None
        self._seed, self._actions = 0, list[NDArray[np.int64]]()
        side = self._substrate.side
        self.spec = EnvSpec(
            num_agents=self._substrate.players,
            obs_shape=(side, side, 3),
            num_actions=self._substrate.num_actions,
            episode_limit=config.episode_length,
            obs_dtype="uint8",
            noop=NOOP,
            reward="individual",
            simulator=self._substrate.simulator,
        )

    def reset(self, seed: int) -> Step:
        """Begin the episode that this seed decides."""
        self._seed, self._actions = seed, []
        self._episode = None  # frees the old simulator before there is a new one
        self._episode = self._substrate.begin(seed)
        return self._arrival(self._episode, first=True)

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play one joint action (A,)."""
        episode = self._begun()
        self._actions.append(np.array(actions))
        goes_on = episode.advance(actions)
        timed_out = len(self._actions) >= self._config.episode_length
        ends = timed_out or not goes_on
        return self._arrival(episode, last=ends, terminal=ends and not timed_out)

    def picture(self) -> NDArray[np.uint8]:
        """The whole map as it stands, (height, width, 3)."""
        return self._begun().world()

    def close(self) -> None:
        """Free the simulator."""
        self._episode = None

    def _begun(self) -> Episode:
        if self._episode is None:
            raise RuntimeError(f"{self._task} does not stand in an episode: reset it")
        return self._episode

    def _arrival(
        self, episode: Episode, first: bool = False, last: bool = False, terminal: bool = False
    ) -> Step:
        """Give the step on which the simulator now stands."""
        agents, actions = self.spec.num_agents, self.spec.num_actions
        images = episode.images()
        return Step(
            obs=halved(images) if self._substrate.halved else images,
            avail=np.ones((agents, actions), np.bool_),
            alive=np.ones(agents, np.bool_),
            reward=np.zeros(agents, np.float32) if first else episode.rewards(),
            first=first,
            last=last,
            terminal=terminal,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Give what the episode can be played again from."""
        seed = None if self._episode is None else self._seed
        return {
            "task": self._task,
            "config": self._config,
            "seed": seed,
            "actions": np.array(self._actions, np.int64),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Play the episode again; where no seed decides it, the next step raises and cuts it."""
        type(self).__init__(self, state["task"], state["config"])
        if state["seed"] is None or not self._config.deterministic:
            return
        self.reset(state["seed"])
        for actions in state["actions"]:
            self._actions.append(actions)
            self._begun().advance(actions)


def halved(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give images (A, H, W, C) at half their size, (A, H / 2, W / 2, C): means of 2x2 pixels.

    >>> halved(np.array([[[[1], [2]], [[3], [4]]]], np.uint8)).tolist()
    [[[[3]]]]
    """
    rows = images[:, ::2].astype(np.uint16) + images[:, 1::2]
    sums = rows[:, :, ::2] + rows[:, :, 1::2]
    return ((sums + 2) >> 2).astype(np.uint8)  # rounded to the nearest, halves up
