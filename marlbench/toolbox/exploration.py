"""Epsilon-greedy choice, a function of values and of given random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["epsilon_greedy", "greedy", "linear_schedule"]


def linear_schedule(step: int, start: float, finish: float, duration: int) -> float:
    """Give the value at a step of a straight line from start to finish, flat after duration.

    >>> [linear_schedule(step, 1.0, 0.0, 100) for step in (0, 25, 100, 500)]
    [1.0, 0.75, 0.0, 0.0]
    """
    return start + (finish - start) * min(1.0, step / duration)


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
