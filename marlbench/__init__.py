"""marlbench: multi-agent reinforcement learning compared fairly, fast and reproducibly.

What a notebook needs stands here; it is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marlbench.notebook import catalogue, check, load, load_agent, run

__all__ = ["catalogue", "check", "load", "load_agent", "run"]


def __getattr__(name: str) -> Any:
    """Load what is asked for (PEP 562), so that importing marlbench costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from marlbench import notebook

    return getattr(notebook, name)


def __dir__() -> list[str]:
    """Show these names alone to whoever completes them."""
    return __all__
