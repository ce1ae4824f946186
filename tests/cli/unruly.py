"""Games of ten rounds whose environments do something to the process that they live in."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

ROUNDS = 10


class Game(ParallelEnv):  # type: ignore[misc]
    """Two agents, each paid 1 for action 1; ten rounds, then time is up."""

    metadata = {"name": "game"}  # noqa: RUF012 - PettingZoo's own convention

    def __init__(self) -> None:
        self.possible_agents = ["a0", "a1"]
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> Any:
        """Three numbers."""
        return spaces.Box(0, 1, (3,), np.float32)

    def action_space(self, agent: str) -> Any:
        """Two actions."""
        return spaces.Discrete(2)

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        """Begin."""
        self.rng, self.round = np.random.default_rng(seed), 0
        self.agents = list(self.possible_agents)
        return self._seen(), {}

    def step(self, actions: dict[str, int]) -> tuple[Any, ...]:
        """Play a round."""
        self.round += 1
        over, there = self.round == ROUNDS, list(self.agents)
        self.agents = [] if over else there
        seen = {name: self.rng.random(3, np.float32) for name in there}
        paid = {name: float(actions[name]) for name in there}
        no, cut = dict.fromkeys(there, False), dict.fromkeys(there, over)
        return seen, paid, no, cut, {}

    def close(self) -> None:
        """Nothing is held."""

    def _seen(self) -> dict[str, Any]:
        return {name: self.rng.random(3, np.float32) for name in self.agents}


class Doing(Game):
    """A game in whose fourth round something is done."""

    def __init__(self, do: Callable[[], object]) -> None:
        super().__init__()
        self.do = do

    def step(self, actions: dict[str, int]) -> tuple[Any, ...]:
        """Play a round, and do it."""
        if self.round == 3:
            self.do()
        return super().step(actions)


def exits() -> Game:
    """As a simulator does whose licence server is away."""
    return Doing(lambda: sys.exit(0))


def ends() -> Game:
    """As a library does that gives up."""
    return Doing(lambda: os._exit(0))


def ends_as_interrupted() -> Game:
    """With the code of whoever is interrupted."""
    return Doing(lambda: os._exit(130))


def interrupts() -> Game:
    """As if Ctrl-C had been typed."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    return Doing(interrupt)


def exits_when_built() -> Game:
    """Before anything is played."""
    sys.exit("licence server not reachable")


def closes_stdout() -> Game:
    """As a program does that wants to be quiet."""
    return Doing(sys.stdout.close)


class Moves(Game):
    """Changes the working directory, as simulators do that load by relative paths."""

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        """Begin elsewhere."""
        os.chdir(tempfile.gettempdir())
        return super().reset(seed)


class MovesWhenBuilt(Game):
    """Likewise, before anything is played."""

    def __init__(self) -> None:
        super().__init__()
        os.chdir("/")


def serve(pipe: Connection[Any, Any]) -> None:
    """Send back what comes."""
    while True:
        pipe.send(pipe.recv())


class Forks(Game):
    """Asks a forked child in every round, and forgets it."""

    def __init__(self) -> None:
        super().__init__()
        context = multiprocessing.get_context("fork")
        self.pipe, there = context.Pipe()
        self.child = context.Process(target=serve, args=(there,), daemon=True)
        self.child.start()

    def step(self, actions: dict[str, int]) -> tuple[Any, ...]:
        """Ask, then play a round."""
        self.pipe.send(1)
        assert self.pipe.recv() == 1
        return super().step(actions)


class ForksAndEnds(Forks):
    """Ends its child as documented, by SIGTERM, and waits for it; some rounds crash."""

    def step(self, actions: dict[str, int]) -> tuple[Any, ...]:
        """Play a round, or crash."""
        if self.round == 2 and self.rng.random() < 0.02:
            raise RuntimeError("simulator lost")
        return super().step(actions)

    def close(self) -> None:
        """End the child."""
        self.child.terminate()
        self.child.join()


class Lingers(Game):
    """Leaves a thread and a program behind that never end."""

    def __init__(self) -> None:
        super().__init__()
        threading.Thread(target=time.sleep, args=(600,)).start()
        subprocess.Popen(["sleep", "86421"])
