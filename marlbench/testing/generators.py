"""Notices a learner that draws from a global random generator."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marlbench.plugin import Agent, Step
from marlbench.testing.verdict import require


@contextmanager
def untouched_generators(verb: str) -> Iterator[None]:
    """Raise `Unkept` if a global random generator is drawn from inside."""
    before = _generators()
    yield
    for name, state in _generators().items():
        require(state == before[name], f"{verb} draws from the global generator of {name}")


def _generators() -> dict[str, Any]:
    import torch

    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": str(np.random.get_state()),
        "random": random.getstate(),
    }


class Guarded:
    """An agent whose verbs raise `Unkept` if they draw from a global generator."""

    def __init__(self, agent: Agent) -> None:
        """Guard this agent."""
        self._agent = agent

    def start(self, num_envs: int) -> Any:
        """Give the policy's state."""
        with untouched_generators("start"):
            return self._agent.start(num_envs)

    def act(
        self, step: Step, policy_state: Any, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[Any], Any]:
        """Give actions (E, A, *)."""
        with untouched_generators("act"):
            return self._agent.act(step, policy_state, rng, explore)

    def observe(self, step: Step, actions: NDArray[Any]) -> None:
        """See a training step."""
        with untouched_generators("observe"):
            self._agent.observe(step, actions)

    def update(self) -> dict[str, float] | None:
        """Learn."""
        with untouched_generators("update"):
            return self._agent.update()

    def state(self) -> dict[str, Any]:
        """Give the state."""
        with untouched_generators("state"):
            return self._agent.state()

    def load(self, state: dict[str, Any]) -> None:
        """Take a state."""
        self._agent.load(state)
