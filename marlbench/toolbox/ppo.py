"""PPO: its losses, one number per decision, and the order in which it goes through a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["ImaginedRollout", "PPOBatch", "clipped_huber", "equal_parts", "minibatches", "ppo_clip"]


def ppo_clip(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Clipped surrogate loss (...) to minimise [Schulman et al. 2017, arXiv:1707.06347v2, Eq. 7].

    `-min(ratio A, clamp(ratio, 1 - clip, 1 + clip) A)` with `ratio = exp(log_prob - old_log_prob)`.

    >>> double, same = torch.tensor([2.0]).log(), torch.tensor([0.0])
    >>> ppo_clip(double, same, torch.tensor([1.0]), clip=0.2)
    tensor([-1.2000])
    >>> ppo_clip(double, same, torch.tensor([-1.0]), clip=0.2)
    tensor([2.])
    """
    ratio = (log_prob - old_log_prob).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage)


def clipped_huber(value: Tensor, old: Tensor, target: Tensor, clip: float, delta: float) -> Tensor:
    """Pessimistic Huber loss (...) of a value that is held near its old prediction.

    `max(huber(target - value), huber(target - clamp(value, old - clip, old + clip)))`, where
    `huber(e) = e^2 / 2` up to `|e| = delta` and `delta (|e| - delta / 2)` beyond
    [code: onpolicy/algorithms/r_mappo/r_mappo.py@de66d7a].

    >>> old, target = torch.tensor([0.0, 0.0]), torch.tensor([1.0, -20.0])
    >>> clipped_huber(torch.tensor([1.0, 0.0]), old, target, clip=0.2, delta=10.0)
    tensor([  0.3200, 150.0000])
    """
    value, old, target = torch.broadcast_tensors(value, old, target)
    near = old + (value - old).clamp(-clip, clip)
    return torch.maximum(
        F.huber_loss(value, target, reduction="none", delta=delta),
        F.huber_loss(near, target, reduction="none", delta=delta),
    )


@dataclass(frozen=True)
class PPOBatch:
    """N joint states of a world model, with what was decided there and what came of it."""

    h: Tensor
    """(N, A, D) deterministic states."""
    z: Tensor
    """(N, A, K) class indices of the stochastic ones."""
    avail: Tensor
    """(N, A, U) bool."""
    action: Tensor
    """(N, A, *)."""
    log_prob: Tensor
    """(N, A) under the policy that acted."""
    advantage: Tensor
    """(N, A)."""
    target: Tensor
    """(N, A) of the value."""
    weight: Tensor | None = None
    """(N, A), of mean 1 over the whole batch; None: all count alike."""

    @classmethod
    def flattened(cls, **fields: Tensor) -> Self:
        """Take the fields of rollouts, each (H, R, ...): N = H R."""
        return cls(**{name: field.flatten(0, 1) for name, field in fields.items()})

    def __len__(self) -> int:
        """N."""
        return len(self.h)

    def rows(self, index: Tensor) -> Self:
        """Give some of the joint states, by their numbers (M,)."""
        present = {name: field for name, field in vars(self).items() if field is not None}
        return type(self)(**{name: field[index] for name, field in present.items()})


@dataclass(frozen=True)
class ImaginedRollout:
    """R trajectories of H decisions that a world model imagined, and the states they led to."""

    h: Tensor
    """(H+1, R, A, D) deterministic states, those behind the last decision too."""
    z: Tensor
    """(H or H+1, R, A, K) uint8 class indices of the stochastic ones."""
    avail: Tensor
    """(H, R, A, U) bool, the very mask that the action was drawn under."""
    action: Tensor
    """(H, R, A, *)."""
    log_prob: Tensor
    """(H, R, A) of the action, under the policy that took it."""
    reward: Tensor
    """(H, R, A) of the transition from t to t+1."""
    cont: Tensor
    """(H, R, A) probability that the agent's return goes on at t+1."""
    weight: Tensor | None = None
    """(H, R, A) of what was decided at t; None: all count alike."""

    def batch(self, advantage: Tensor, target: Tensor) -> PPOBatch:
        """Lay out all states in which something was decided, with (H, R, A) of each."""
        weight = self.weight
        weighed = {} if weight is None else {"weight": weight / weight.mean().clamp(min=1e-8)}
        horizon = len(self.action)
        return PPOBatch.flattened(
            h=self.h[:horizon],
            z=self.z[:horizon],
            avail=self.avail,
            action=self.action,
            log_prob=self.log_prob,
            advantage=advantage,
            target=target,
            **weighed,
        )


def minibatches(count: int, epochs: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Give so many passes over the numbers of all rows, each in an order of its own.

    `size` (M,) at a time, on the generator's device; what is left at a pass's end is a smaller one.
    """
    for _ in range(epochs):
        order = torch.randperm(count, generator=generator, device=generator.device)
        yield from order.split(size)


def equal_parts(count: int, parts: int, generator: torch.Generator) -> Iterator[Tensor | slice]:
    """Give one pass over the numbers of all rows in random order, in `parts` parts of one size.

    What does not divide is left out of this pass. One part is all rows in their own order.
    """
    if parts == 1:
        yield slice(None)
        return
    order = torch.randperm(count, generator=generator, device=generator.device)
    yield from order[: count // parts * parts].chunk(parts)
