"""What a learner with a world model may offer: to imagine, so that the host can judge its model.

The host plays fresh episodes, shows the learner the first steps of a piece of one and the actions
that were then taken, and scores what it imagines against what came, which it never shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from marlbench.plugin import Agent, Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Imagination", "ImaginingAgent"]


@dataclass(frozen=True)
class Imagination:
    """What H steps bring that follow on B pieces of episodes; None: the model does not tell it."""

    obs: NDArray[Any] | None
    """(H, B, A, *O) floats, as `Step.obs` has them: pixels from 0 to 255."""
    reward: NDArray[Any] | None
    """(H, B, A), arriving with each step."""
    cont: NDArray[Any] | None
    """(H, B) probability that the step is not `terminal`."""
    avail: NDArray[Any] | None
    """(H, B, A, U) probability that an action is available at the step."""
    kl: NDArray[Any] | None
    """(B, A) nats by which the last seen step was not foreseen: KL of the posterior and prior."""


class ImaginingAgent(Agent, Protocol):
    """An `Agent` with a world model, which the host judges by what it foresees."""

    def imagine(self, seen: Step, actions: NDArray[Any], rng: np.random.Generator) -> Imagination:
        """Imagine H steps behind the seen ones, under actions that are given; change nothing.

        `seen` is (C, B, ...), time first: C steps on end of B episodes, none a `last` one; the
        first is marked `first`, whatever came before it. `actions` (C + H - 1, B, A, *) are those
        taken at the seen steps and at the imagined ones but the last. Latent states are drawn of
        the model's prior, with `rng`: a function, as `act`, of the parameters and of what is given.
        """
        ...
