"""Epsilon-greedy choice whose randomness is a function of a key, so that acting keeps no state."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["epsilon_greedy", "greedy", "keyed_uniforms", "linear_schedule"]

BLOCK = 64
"""Draws that are made at once: starting a generator costs more than a few numbers of it."""


def linear_schedule(step: int, start: float, finish: float, duration: int) -> float:
    """Give the value at a step of a straight line from start to finish, flat after duration.

    >>> [linear_schedule(step, 1.0, 0.0, 100) for step in (0, 25, 100, 500)]
    [1.0, 0.75, 0.0, 0.0]
    """
    return start + (finish - start) * min(1.0, step / duration)


def keyed_uniforms(key: int, count: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Give numbers in [0, 1) that (key, count, shape) decides; read-only.

    >>> bool((keyed_uniforms(3, 1, (2,)) == keyed_uniforms(3, 1, (2,))).all())
    True
    >>> bool((keyed_uniforms(3, 1, (2,)) == keyed_uniforms(3, 2, (2,))).any())
    False
    """
    return uniforms_block(key, count // BLOCK, shape)[count % BLOCK]


@lru_cache(maxsize=2)  # one shape each for training and for evaluation
def uniforms_block(key: int, block: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Give the numbers of a block of draws (BLOCK, *shape)."""
    # the low word counts within a block, so that two blocks share nothing of the stream
    generator = np.random.Generator(np.random.Philox(key=key, counter=[0, block, 0, 0]))
    uniforms = generator.random((BLOCK, *shape))
    uniforms.flags.writeable = False
    return uniforms


def greedy(value: NDArray[Any], avail: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Choose (...) the available action of the highest value (..., U).

    >>> greedy(np.array([[3.0, 2.0, 1.0]]), np.array([[False, True, True]]))
    array([1])
    """
    return np.where(avail, value, -np.inf).argmax(-1)


def epsilon_greedy(
    value: NDArray[Any], avail: NDArray[np.bool_], epsilon: float, uniforms: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Choose (...) the best action, or with chance epsilon any available one, equally likely.

    `uniforms` is (..., U + 1): whether to explore, then what each action draws, of which the
    highest counts. Exploring may pick the best too.

    >>> value, avail = np.array([[3.0, 2.0, 1.0]]), np.array([[False, True, True]])
    >>> epsilon_greedy(value, avail, 0.1, np.array([[0.5, 0.8, 0.2, 0.3]]))
    array([1])
    >>> epsilon_greedy(value, avail, 0.6, np.array([[0.5, 0.8, 0.2, 0.3]]))
    array([2])
    """
    explores = uniforms[..., :1] < epsilon  # (..., 1)
    return greedy(np.where(explores, uniforms[..., 1:], value), avail)
