"""A battle behind `reset` and `step`, whose game is launched, limited in time and relaunched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench_starcraft import packages
from marlbench_starcraft.config import Config
from marlbench_starcraft.game import NOOP, Arrival, GameCrash
from marlbench_starcraft.installed import game_version
from marlbench_starcraft.launches import wait_for_turn
from marlbench_starcraft.remote import Remote
from marlbench_starcraft.tasks import Order


class Battle:
    """One copy. Raises GameCrash when the game breaks or hangs; a later reset launches anew."""

    def __init__(self, order: Order, config: Config) -> None:
        """Construct the package's environment; the game is launched by the first reset."""
        self._order, self._config = order, config
        self._remote: Remote | None = Remote(order)
        self._begun = self._finished = 0  # episodes of the game that runs
        self._fighting = False
        self._avail: NDArray[np.bool_] | None = None  # (A, U)
        sizes = self._remote.sizes
        self.spec = EnvSpec(
            num_agents=sizes.num_agents,
            obs_shape=(sizes.obs,),
            num_actions=sizes.num_actions,
            episode_limit=sizes.episode_limit,
            state_shape=(sizes.state,),
            noop=NOOP,
            metrics=("win", "return"),
            return_bounds=(0.0, 20.0),  # what the packages scale rewards for
            simulator=f"{packages.version(order.package)}, {game_version(config.game_version)}",
        )

    def reset(self, seed: int) -> Step:
        """Begin an episode; see README.md for what the seed decides and what it cannot."""
        if self._wants_another_game():
            self.close()
        self._remote = self._remote or Remote(self._order)
        launching = self._begun == 0
        if launching:
            wait_for_turn(self._config.launch_spacing)
        self._begun, self._fighting = self._begun + 1, True
        limit = self._config.launch_limit if launching else self._config.reset_limit
        try:
            return self._step(self._ask("reset", seed, limit), first=True)
        except GameCrash as error:
            if not launching:
                raise
            help_line = f"marlbench env check {self._order.package}"
            raise GameCrash(f"the game did not start: {error}; try `{help_line}`") from None

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play one joint action (A,); an unavailable one raises ValueError."""
        check(actions, self._avail)
        arrival = self._ask("step", np.asarray(actions, np.int64), self._config.step_limit)
        if arrival.last:
            self._finished, self._fighting = self._finished + 1, False
        return self._step(arrival, first=False)

    def close(self) -> None:
        """Kill the game and its process."""
        remote, self._remote = self._remote, None
        self._begun = self._finished = 0
        self._fighting, self._avail = False, None
        if remote is not None:
            remote.close()

    def _wants_another_game(self) -> bool:
        """Say whether the next episode must not be played in the game that runs.

        Until a first episode was finished the packages' reset launches a second game beside it.
        """
        limit = self._config.restart_every
        return bool(limit and self._begun >= limit) or (self._fighting and self._finished == 0)

    def _ask(self, name: str, argument: object, limit: float) -> Arrival:
        """Let the game play; once it broke let go of it."""
        assert self._remote is not None, "step before reset"
        try:
            arrival: Arrival = self._remote.ask(name, argument, limit)
        except GameCrash:
            self.close()
            raise
        return arrival

    def _step(self, arrival: Arrival, first: bool) -> Step:
        """Give what arrived in the words of the contract."""
        self._avail = arrival.avail
        return Step(
            obs=arrival.obs,
            avail=arrival.avail,
            alive=arrival.alive,
            reward=np.full(self.spec.num_agents, arrival.reward, np.float32),
            first=first,
            last=arrival.last,
            terminal=arrival.terminal,
            state=arrival.state,
            info={"won": arrival.won},
        )


def check(actions: NDArray[np.int64], avail: NDArray[np.bool_] | None) -> None:
    """Raise ValueError unless actions (A,) are available, (A, U); None: nothing was shown yet."""
    if avail is None:
        raise ValueError("step before reset, or after a game that broke")
    for agent, (action, mask) in enumerate(zip(actions.tolist(), avail, strict=True)):
        offered = np.flatnonzero(mask).tolist()
        if action not in offered:
            raise ValueError(
                f"action {action} of agent {agent} is not available; available are {offered}"
            )
