"""How long an environment's episodes are by its own rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

NAMES = (
    "max_cycles",
    "max_episode_steps",
    "_max_episode_steps",
    "max_steps",
    "episode_limit",
    "horizon",
)
"""Under which environments keep their limit of env steps: PettingZoo's, gymnasium's, others'."""
INSIDE = ("env", "aec_env", "par_env", "unwrapped", "spec")
"""Where wrappers keep what they wrap, and where gymnasium keeps what was registered."""


def own_limit(env: Any) -> int | None:
    """Give the first limit (env steps) that an environment, or what it wraps, has; None: none.

    >>> class Wrapper:
    ...     env = type("Game", (), {"max_cycles": 25})()
    >>> own_limit(Wrapper())
    25
    """
    for layer in layers(env):
        for name in NAMES:
            limit = getattr(layer, name, None)
            if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
                return limit
    return None


def layers(env: Any) -> Iterator[Any]:
    """Give an environment and what it wraps, each once, from the outside in."""
    waiting, seen = [env], set[int]()
    while waiting:
        layer = waiting.pop(0)
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        yield layer
        inside = (getattr(layer, name, None) for name in INSIDE)
        waiting += [each for each in inside if each is not None]
