"""A learner's checkpoint: it names its parts, one function gives their state, one loads it.

A part is a network, an optimiser, a replay, a random generator, or some of the learner's own
numbers (`Attributes`). A learner's `state` and `load` are a line each:

    def state(self) -> dict[str, Any]:
        return state_of(self.parts())

    def load(self, state: dict[str, Any]) -> None:
        restore(self.parts(), state, self.seed)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

__all__ = [
    "Attributes",
    "Part",
    "SavedGenerator",
    "Stateful",
    "parts_of",
    "restore",
    "restore_generator",
    "saved_generator",
    "seeded",
    "state_of",
]


class Stateful(Protocol):
    """What gives its state and takes it back, as torch's modules and optimisers do."""

    def state_dict(self) -> Any:
        """Give all that `load_state_dict` needs: tensors, arrays, `ReplayBuffer`s, plain values."""
        ...

    def load_state_dict(self, state: Any, /) -> object:
        """Go on from what `state_dict` gave."""
        ...


Part = Stateful | torch.Generator | np.random.Generator
"""What a checkpoint can hold."""


def parts_of(learner: Any, *names: str, counts: tuple[str, ...] = ()) -> dict[str, Part]:
    """Give a learner's attributes of these names as parts, and its numbers as one more."""
    return {name: getattr(learner, name) for name in names} | {
        "counts": Attributes(learner, *counts)
    }


def state_of(parts: Mapping[str, Part]) -> dict[str, Any]:
    """Give the state of all parts, by name; what is learnt of it is copied, replays are not."""
    return {name: _state(part) for name, part in parts.items()}


def restore(parts: Mapping[str, Part], state: Mapping[str, Any], seed: int) -> None:
    """Go on from what `state_of` gave; ValueError if it is of other parts.

    `seed`, the run's, is for torch's generators on another device than where they were saved.
    """
    if parts.keys() != state.keys():
        raise ValueError(
            f"the checkpoint has {sorted(state)} and this learner {sorted(parts)}: it was written "
            "by another version; begin the run anew"
        )
    for name, part in parts.items():
        if isinstance(part, torch.Generator):
            restore_generator(part, state[name], seed)
        elif isinstance(part, np.random.Generator):
            part.bit_generator.state = state[name]
        else:
            part.load_state_dict(state[name])


def _state(part: Part) -> Any:
    """Give one part's state; that of networks and optimisers does not change as they learn on."""
    if isinstance(part, torch.Generator):
        return saved_generator(part)
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    learnt = isinstance(part, nn.Module | torch.optim.Optimizer)
    return deepcopy(part.state_dict()) if learnt else part.state_dict()


class Attributes:
    """Named attributes of a learner as one part: numbers, and tensors, which keep their device."""

    def __init__(self, owner: object, *names: str) -> None:
        """Take the attributes of these names; AttributeError, once it saves, if one is missing."""
        self.owner, self.names = owner, names

    def state_dict(self) -> dict[str, Any]:
        """Give their values by name."""
        return {name: getattr(self.owner, name) for name in self.names}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Set them."""
        for name in self.names:
            value, old = state[name], getattr(self.owner, name)
            moved = value.to(old.device) if isinstance(old, Tensor) else value
            setattr(self.owner, name, moved)


# --- randomness -----------------------------------------------------------------------------------


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw what torch draws inside (a network's weights, say) from this seed alone.

    >>> with seeded(3):
    ...     first = torch.rand(2)
    >>> with seeded(3):
    ...     bool((torch.rand(2) == first).all())
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


SavedGenerator = tuple[str, Tensor]
"""The device's type, `cpu` or `cuda`, and the generator's state there."""


def saved_generator(generator: torch.Generator) -> SavedGenerator:
    """Give what `restore_generator` takes."""
    return generator.device.type, generator.get_state()


def restore_generator(generator: torch.Generator, saved: SavedGenerator, seed: int) -> None:
    """Go on with the same draws; on another device, whose states differ, with new ones.

    These are decided by the run's seed and by where the draws stood.
    """
    device, state = saved
    if device == generator.device.type:
        generator.set_state(state.cpu())
    else:
        place = np.random.SeedSequence([seed, *state.tolist()])
        generator.manual_seed(int(place.generate_state(1)[0]))
