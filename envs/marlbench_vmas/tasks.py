"""The tasks and what their episodes return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["TASKS", "Task"]


@dataclass(frozen=True)
class Task:
    """One scenario of vmas as it comes."""

    reward: Literal["team", "individual"]
    return_bounds: tuple[float, float]
    """Mean of uniform play, and what solving it from a mean beginning earns; see README.md."""


TASKS = {
    "balance": Task("team", (-10.0, 140.0)),
    "transport": Task("team", (0.0, 86.0)),
    "navigation": Task("individual", (-3.0, 16.0)),
}
