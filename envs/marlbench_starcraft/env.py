"""A battle behind `reset` and `step`, whose game is launched, limited in time and relaunched."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step, episode_return, win_rate
from marlbench_starcraft import packages
from marlbench_starcraft.config import Config
from marlbench_starcraft.game import NOOP, Arrival, GameCrash
from marlbench_starcraft.installed import game_version
from marlbench_starcraft.launches import wait_for_turn
from marlbench_starcraft.remote import Remote
from marlbench_starcraft.tasks import Order


@dataclass(frozen=True)
class Question:
    """What a game was asked and has not answered yet."""

    name: Literal["reset", "step"]
    limit: float
    """Seconds that it may take."""
    launching: bool = False
    since: float = field(default_factory=time.monotonic)


class Battle:
    """One copy, a `SplitEnv`.

    Raises GameCrash when the game breaks or hangs; a later reset launches anew.
    """

    def __init__(self, order: Order, config: Config) -> None:
        """Construct the package's environment; the game is launched by the first reset."""
        self._order, self._config = order, config
        self._remote: Remote | None = Remote(order)
        self._begun = self._finished = 0  # episodes of the game that runs
        self._fighting = False
        self._avail: NDArray[np.bool_] | None = None  # (A, U)
        self._asked: Question | None = None
        sizes = self._remote.sizes
        self.spec = EnvSpec(
            num_agents=sizes.num_agents,
            obs_shape=(sizes.obs,),
            num_actions=sizes.num_actions,
            episode_limit=sizes.episode_limit,
            state_shape=sizes.state,
            noop=NOOP,
            metrics=(win_rate(), episode_return(0.0, 20.0)),  # as the packages scale rewards
            simulator=f"{packages.version(order.package)}, {game_version(config.game_version)}",
        )

    def reset(self, seed: int) -> Step:
        """Begin an episode; see README.md for what the seed decides and what it cannot."""
        self.send_reset(seed)
        return self.receive()

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Play one joint action (A,); an unavailable one raises ValueError."""
        self.send_step(actions)
        return self.receive()

    def send_reset(self, seed: int) -> None:
        """Ask for a reset; the game is launched if none runs in which it may be."""
        if self._wants_another_game():
            self.close()
        self._remote = self._remote or Remote(self._order)
        launching = self._begun == 0
        if launching:
            wait_for_turn(self._config.launch_spacing)
        self._begun, self._fighting = self._begun + 1, True
        limit = self._config.launch_limit if launching else self._config.reset_limit
        self._send(Question("reset", limit, launching), seed)

    def send_step(self, actions: NDArray[np.int64]) -> None:
        """Ask for a step by a joint action (A,); an unavailable one raises ValueError."""
        check(actions, self._avail)
        self._send(Question("step", self._config.step_limit), np.asarray(actions, np.int64))

    def receive(self) -> Step:
        """Wait for what was asked; once the game broke let go of it."""
        assert self._remote is not None, "step before reset"
        assert self._asked is not None, "nothing was asked"
        asked, self._asked = self._asked, None
        try:
            arrival: Arrival = self._remote.answer(f"a {asked.name}", asked.limit, asked.since)
        except GameCrash as error:
            self.close()
            if not asked.launching:
                raise
            help_line = f"marlbench env check {self._order.package}"
            raise GameCrash(f"the game did not start: {error}; try `{help_line}`") from None
        if arrival.last:
            self._finished, self._fighting = self._finished + 1, False
        return self._step(arrival, first=asked.name == "reset")

    def close(self) -> None:
        """Kill the game and its process."""
        remote, self._remote = self._remote, None
        self._begun = self._finished = 0
        self._fighting, self._avail, self._asked = False, None, None
        if remote is not None:
            remote.close()

    def _wants_another_game(self) -> bool:
        """Say whether the next episode must not be played in the game that runs.

        Until a first episode was finished the packages' reset launches a second game beside it.
        """
        worn = 0 < self._config.restart_every <= self._begun
        return worn or (self._fighting and self._finished == 0) or self._asked is not None

    def _send(self, question: Question, argument: object) -> None:
        assert self._remote is not None, "step before reset"
        self._asked = question
        self._remote.send(question.name, argument)

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
