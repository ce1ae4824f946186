"""Makes any environment that its seed decides picklable mid-episode, by playing it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import Env, EnvSpec, Step


class Replayed:
    """An environment whose pickle is its maker, the episode's seed and the actions so far.

    Simulators hold what cannot be pickled, or, worse, pickle their constructor's arguments alone
    and come back at the start of another episode (PettingZoo's `EzPickle`).
    """

    def __init__(
        self,
        make: Callable[[], Env],
        make_drawn: Callable[[], Env] | None = None,
        fresh: bool = False,
    ) -> None:
        """Make the environment, with `fresh` a new one for every episode but the first.

        `make_drawn` makes one that can draw and is otherwise the same.
        """
        self._make, self._make_drawn, self._fresh = make, make_drawn, fresh
        self._env = make()
        self._drawn: Replayed | None = None
        self._begin(None)

    @property
    def spec(self) -> EnvSpec:
        """Sizes and limits of the task."""
        return self._env.spec

    @property
    def inside(self) -> Env:
        """The environment itself."""
        return self._env

    def reset(self, seed: int) -> Step:
        """Begin the episode that this seed decides."""
        if self._fresh and self._seed is not None:
            self._env.close()
            self._env = self._make()
        self._begin(seed)
        return self._seen(self._env.reset(seed))

    def step(self, actions: NDArray[Any]) -> Step:
        """Play one joint action (A, *)."""
        self._actions.append(np.array(actions))
        return self._seen(self._env.step(actions))

    def close(self) -> None:
        """Free what the simulators hold."""
        self._env.close()
        if self._drawn is not None:
            self._drawn.close()

    def drawn(self) -> Env:
        """Give the environment that can draw, where this one stands: it plays what was played."""
        if self._drawn is None:
            self._drawn = Replayed(self._make_drawn or self._make, fresh=self._fresh)
        twin, played = self._drawn, len(self._drawn._actions)
        if self._seed is not None and (twin._seed != self._seed or played > len(self._actions)):
            twin.reset(self._seed)
        for actions in self._actions[len(twin._actions) :]:
            twin.step(actions)
        return twin.inside

    def _begin(self, seed: int | None) -> None:
        self._seed, self._actions = seed, list[NDArray[Any]]()
        self._obs: NDArray[Any] = np.zeros(0)
        self._paid: NDArray[Any] = np.zeros(0)

    def _seen(self, step: Step) -> Step:
        self._obs = step.obs
        self._paid = step.reward if step.first else self._paid + step.reward
        return step

    def __getstate__(self) -> dict[str, Any]:
        """Give what the episode can be played again from, and where it must arrive."""
        played = {"seed": self._seed, "actions": self._actions}
        made = {"make": self._make, "make_drawn": self._make_drawn, "fresh": self._fresh}
        return {**made, "obs": self._obs, "paid": self._paid, **played}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Play the episode again; RuntimeError if it arrives elsewhere."""
        made = state["make"], state["make_drawn"], state["fresh"]
        self.__init__(*made)  # type: ignore[misc]
        if state["seed"] is None:
            return
        step = self.reset(state["seed"])
        for actions in state["actions"]:
            if not step.last:  # another episode than was played may end before
                step = self.step(actions)
        if not np.array_equal(self._obs, state["obs"]) or not np.array_equal(
            self._paid, state["paid"]
        ):
            self.close()
            raise RuntimeError("the environment is not decided by its seed: it cannot be resumed")
