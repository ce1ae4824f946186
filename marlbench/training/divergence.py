"""Divergence, the same for every learner: a number that is not finite ends a run, as a result."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from marlbench.errors import one_line
from marlbench.store import Superseded
from marlbench.training.interrupt import Interrupted

if TYPE_CHECKING:
    from marlbench.plugin import Agent
    from marlbench.training.position import Position

HUGE = 1e18
"""Products of two such numbers, summed over a layer, leave the range of float32 (3.4e38)."""


class Diverged(Exception):  # noqa: N818 - a result, not an error
    """A number of the learner's is not finite: the run ends here, and the report says so."""

    def __init__(self, env_steps: int, number: str) -> None:
        """Keep where it was seen, and in which number."""
        super().__init__(f"diverged at {env_steps:,} env steps: {number}")
        self.env_steps, self.number = env_steps, number


def finite(metrics: dict[str, float], env_steps: int) -> dict[str, float]:
    """Give an update's metrics; raises `Diverged` for the first that is not finite."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise Diverged(env_steps, f"{name} is {value}")
    return metrics


def check_parameters(agent: Agent, env_steps: int) -> None:
    """Raise `Diverged` for the first number of the agent's state that is not finite."""
    for place, value in floats(agent.state()):
        if not bool(np.isfinite(value).all()):
            raise Diverged(env_steps, f"{place} is not finite")


@contextmanager
def named(agent: Agent, now: Position) -> Iterator[None]:
    """Raise `Diverged` for what a learner raises once its numbers leave no room to compute with.

    After one huge step a policy's logits are NaN though each of its parameters is finite: it then
    chooses actions that are not there, or a distribution refuses to be built.
    """
    try:
        yield
    except (Diverged, Interrupted, Superseded):
        raise
    except Exception as error:
        for place, value in floats(agent.state()):
            if not bool((np.abs(value) < HUGE).all()):
                number = f"{place} is beyond {HUGE:g} ({one_line(error)})"
                raise Diverged(now.env_steps, number) from error
        raise


def floats(state: Any, place: str = "state") -> Iterator[tuple[str, Any]]:
    """Give every float tensor or array of a nested state, less its replay, as arrays."""
    if isinstance(state, Mapping):
        for key, item in state.items():
            yield from floats(item, f"{place}.{key}")
    elif isinstance(state, list | tuple):
        for index, item in enumerate(state):
            yield from floats(item, f"{place}.{index}")
    elif getattr(getattr(state, "dtype", None), "is_floating_point", False):  # torch
        yield place, state.detach().float().cpu().numpy()
    elif isinstance(state, np.ndarray) and state.dtype.kind == "f":
        yield place, state
