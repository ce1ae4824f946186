"""A rollout as training sees it: sequences in time, side by side."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor


@dataclass(frozen=True)
class Sequences:
    """L steps of N sequences; each has one critic's view and the G agents that share it.

    As a whole, before it is cut, N is (E, C): E copies of the environment, C views of each.
    """

    view: Tensor
    """(L, N, *S) what the critic sees."""
    keep: Tensor
    """(L, N) bool, False where an episode begins."""
    obs: Tensor
    """(L, N, G, *O)"""
    avail: Tensor
    """(L, N, G, U) bool."""
    alive: Tensor
    """(L, N, G) bool."""
    action: Tensor
    """(L, N, G, *) taken."""
    log_prob: Tensor
    """(L, N, G) of the action when it was taken."""
    advantage: Tensor
    """(L, N, G) standardised."""
    target: Tensor
    """(L, N, G) for the value, in units of reward."""
    old_value: Tensor
    """(L, N, 1) when the action was taken, in normalised units."""
    actor_state: Tensor
    """(L, N, G, D) before each step; only the first is used."""
    critic_state: Tensor
    """(L, N, D) likewise."""

    def __len__(self) -> int:
        """N."""
        return self.keep.shape[1]

    def chunks(self, length: int) -> Sequences:
        """Cut a whole (T, E, C, ...) to sequences of `length` steps, N = (E, C, T / length)."""
        return Sequences(**{f.name: chunked(getattr(self, f.name), length) for f in fields(self)})

    def rows(self, index: Tensor | slice) -> Sequences:
        """Only the sequences of these numbers."""
        return Sequences(**{f.name: getattr(self, f.name)[:, index] for f in fields(self)})


def chunked(x: Tensor, length: int) -> Tensor:
    """(T, E, C, ...) to (length, E * C * T / length, ...), a copy's view's chunks side by side.

    >>> import torch
    >>> chunked(torch.arange(6).view(6, 1, 1), length=3)
    tensor([[0, 3],
            [1, 4],
            [2, 5]])
    """
    pieces = x.unflatten(0, (-1, length))  # (T / length, length, E, C, ...)
    order = (1, 2, 3, 0, *range(4, pieces.dim()))
    return pieces.permute(order).flatten(1, 3)  # (length, E * C * T / length, ...)
