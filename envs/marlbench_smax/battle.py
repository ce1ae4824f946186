"""One scenario as compiled functions, each for the same number of copies at a time."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from marlbench_smax.config import Config
from marlbench_smax.importing import smax

LANES = 8
"""Copies that one call steps. Always as many, spare ones included: compiled for another number
the same scenario rounds otherwise (3m: 8 and 64 copies part after 10 steps), and an episode would
depend on how many are played beside it. It also compiles once for training and evaluation."""

STOP = 4
"""Actions: 0 to 3 move, 4 stop, 5 + i attack enemy i. The dead may only stop."""
FIRST_ATTACK = 5

Lane = tuple[Any, Any]
"""The key of a copy's episode and where its battle stands."""
Arrived = dict[str, Any]
"""What has arrived in a copy: the fields of `Step`, and `won`."""


class Battle:
    """One scenario under one configuration; its functions have a leading axis of LANES."""

    def __init__(self, task: str, config: Config) -> None:
        package = smax()
        self.env = package.HeuristicEnemySMAX(
            scenario=package.map_name_to_scenario(task),
            max_steps=config.max_steps,
            see_enemy_actions=config.see_enemy_actions,
            walls_cause_death=config.walls_cause_death,
            attack_mode=config.enemy_target,
        )
        self.agents, self.enemies = self.env.num_allies, self.env.num_enemies
        self.begin = jax.jit(jax.vmap(self._begin))
        self.play = jax.jit(jax.vmap(self._play))
        self.renew = jax.jit(jax.vmap(renewed))

    def _begin(self, seed: jax.Array) -> tuple[Lane, Arrived]:
        """Begin the episode that jaxmarl begins with `PRNGKey(seed)`."""
        key = jax.random.PRNGKey(seed)
        obs, state = self.env.reset(key)
        return (key, strong(state)), self._arrived(obs, state, jnp.zeros(()))

    def _play(self, lane: Lane, actions: jax.Array) -> tuple[Lane, Arrived]:
        """Play joint actions (A,), without the reset that jaxmarl's own `step` computes too."""
        key, state = lane
        now = jax.random.fold_in(key, 1 + state.state.step)
        chosen = {name: actions[a] for a, name in enumerate(self.env.agents)}
        obs, state, rewards, _, _ = self.env.step_env(now, state, chosen)
        return (key, strong(state)), self._arrived(obs, state, rewards[self.env.agents[0]])

    def _arrived(self, obs: dict[str, Any], state: Any, reward: jax.Array) -> Arrived:
        """Give what a copy's agents get, who are paid the same."""
        alive = state.state.unit_alive  # (N,)
        friends, foes = alive[: self.agents], alive[self.agents :]
        avail = self.env.get_avail_actions(state)
        return {
            "obs": jnp.stack([obs[name] for name in self.env.agents]),  # (A, O)
            "avail": jnp.stack([avail[name] for name in self.env.agents]).astype(bool),  # (A, U)
            "alive": friends,
            "reward": jnp.broadcast_to(reward, friends.shape),  # (A,)
            "last": state.state.done,
            "terminal": ~(friends.any() & foes.any()),
            "state": obs["world_state"],  # (S,)
            "won": friends.any() & ~foes.any(),
        }


@cache
def battle(task: str, config: Config) -> Battle:
    """Give the scenario, the same one for all who ask in this process: it compiles once."""
    return Battle(task, config)


def strong(tree: Any) -> Any:
    """Give arrays of the same types that no longer yield to others.

    One leaf of a fresh battle is a mere Python number to jax (`last_attacked_enemy`) and an array
    one step later, for which everything would be compiled a second time.
    """
    return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), tree)


def renewed(begins: jax.Array, fresh: Any, old: Any) -> Any:
    """Give the fresh values where an episode begins, else the old ones."""
    return jax.tree.map(lambda new, was: jnp.where(begins, new, was), fresh, old)
