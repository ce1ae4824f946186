"""Scenarios behind `reset` and `step`, E copies at once."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, episode_return, win_rate
from marlbench_smax.battle import LANES, STOP, Arrived, Lane, battle
from marlbench_smax.config import Config


class VectorSmax:
    """E copies of a scenario in lockstep, in blocks of LANES; spare lanes play for nobody."""

    def __init__(self, task: str, config: Config, num_envs: int) -> None:
        self._task, self._config, self._num_envs = task, config, num_envs
        self.battle = battle(task, config)
        self._blocks: list[tuple[Lane, Arrived]] = []
        self._last = np.ones(num_envs, np.bool_)  # (E,)

    @property
    def num_envs(self) -> int:
        """E."""
        return self._num_envs

    @property
    def spec(self) -> EnvSpec:
        """Sizes and limits of the scenario."""
        env = self.battle.env
        return EnvSpec(
            num_agents=self.battle.agents,
            obs_shape=(int(env.obs_size),),
            num_actions=int(env.num_ally_actions),
            episode_limit=self._config.max_steps + 1,  # jaxmarl looks at the time, then counts
            state_shape=(int(env.state_size),),
            noop=STOP,
            metrics=(win_rate(), episode_return(0.0, 2.0)),  # all enemy health, and the win
            simulator=f"SMAX, jaxmarl {version('jaxmarl')}",
        )

    def reset(self, seeds: NDArray[np.int64]) -> Step:
        """Begin the episodes of seeds (E,) in every copy."""
        self._blocks = [self.battle.begin(block) for block in self._in_blocks(seeds, np.uint32)]
        return self._arrival(np.ones(self._num_envs, np.bool_))

    def step(self, actions: NDArray[np.int64], seeds: NDArray[np.int64]) -> Step:
        """Play joint actions (E, A); copies on a last step begin the episode of their seed."""
        first = self._last
        self._blocks = [
            self._step(*block)
            for block in zip(
                self._blocks,
                self._in_blocks(actions, np.int32),
                self._in_blocks(seeds, np.uint32),
                self._in_blocks(first, np.bool_),
                strict=True,
            )
        ]
        return self._arrival(first)

    def close(self) -> None:
        """Hold nothing."""

    def units(self, copy: int) -> dict[str, NDArray[Any]]:
        """Give the fields of a copy's battle, (N, ...) each, as jaxmarl names them."""
        (_, state), _ = self._blocks[copy // LANES]
        return {name: np.asarray(a)[copy % LANES] for name, a in vars(state.state).items()}

    def _step(
        self,
        block: tuple[Lane, Arrived],
        actions: NDArray[np.int32],
        seeds: NDArray[np.uint32],
        begins: NDArray[np.bool_],
    ) -> tuple[Lane, Arrived]:
        """Play actions (LANES, A), and begin new episodes where any of (LANES,) begins."""
        played = self.battle.play(block[0], actions)
        if not begins.any():
            return played
        return self.battle.renew(begins, self.battle.begin(seeds), played)

    def _in_blocks(self, each: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
        """Give (blocks, LANES, ...) for (E, ...), the spare lanes zero."""
        count = -(-self._num_envs // LANES)
        lanes = np.zeros((count * LANES, *each.shape[1:]), dtype)
        lanes[: self._num_envs] = each
        return lanes.reshape(count, LANES, *each.shape[1:])

    def _arrival(self, first: NDArray[np.bool_]) -> Step:
        """Give the time step that all copies now stand on."""
        arrived = [arrived for _, arrived in self._blocks]
        of = {n: np.concatenate([each[n] for each in arrived]) for n in arrived[0]}
        of = {name: array[: self._num_envs] for name, array in of.items()}  # (E, ...)
        self._last = of["last"]
        return Step(first=first, info={"won": of.pop("won")}, **of)

    def __getstate__(self) -> dict[str, Any]:
        """Give what the battles go on from, as plain arrays."""
        kept = {name: vars(self)[name] for name in ("_task", "_config", "_num_envs", "_last")}
        return kept | {"leaves": [np.asarray(leaf) for leaf in jax.tree.leaves(self._blocks)]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Stand where the battles stood."""
        leaves = [jax.device_put(leaf) for leaf in state.pop("leaves")]
        vars(self).update(state)
        self.battle = battle(self._task, self._config)
        one = jax.eval_shape(self.battle.begin, np.zeros(LANES, np.uint32))
        size = len(jax.tree.leaves(one))
        blocks = [leaves[start : start + size] for start in range(0, len(leaves), size)]
        self._blocks = [jax.tree.unflatten(jax.tree.structure(one), each) for each in blocks]
