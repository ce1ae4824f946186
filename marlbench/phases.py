"""What a learner may offer whose training step falls into phases: `marlbench bench` times each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["PhasedAgent", "Phases"]


class PhasedAgent(Protocol):
    """What is timed: an `Agent` that takes its training step a phase at a time."""

    def observe(self, step: Any, actions: Any) -> None:
        """See a training step, as every `Agent`."""
        ...

    def phases(self) -> Iterator[tuple[str, Any]]:
        """Take a whole training step; as each phase of it ends give its name, and what you like.

        `marlbench bench` calls it once 2,000 env steps have been observed, and never `update`.
        """
        ...


@dataclass(frozen=True)
class Phases:
    """The training steps of a learner that are timed, and what they are compared with."""

    sizes: Mapping[str, Mapping[str, Any]]
    """Settings over the entry's defaults, by the row's name: `{"D=256": {"deter": 256}}`."""
    agents: tuple[int, ...] = (5,)
    """Numbers of agents, each with every size."""
    on_cpu: Mapping[str, Any] = field(default_factory=dict)
    """Settings over those on a CPU: fewer rows, so that it ends."""
    quick: Mapping[str, Any] = field(default_factory=dict)
    """Settings over the entry's defaults for a training step of milliseconds (`bench --quick`)."""
    plain: Callable[[Any, Any, int, str], PhasedAgent] | None = None
    """`build` of the same learner as its equations are written, which it is timed against."""
