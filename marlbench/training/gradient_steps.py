"""What happens between two gradient steps, of whatever learner: the host's say within an update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def between(call: Callable[[], None]) -> Iterator[None]:
    """Call this after every step of any optimiser of torch; what it raises leaves the update."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    def stepped(_optimiser: Any, _arguments: Any, _keywords: Any) -> None:
        call()

    hook = register_optimizer_step_post_hook(stepped)
    try:
        yield
    finally:
        hook.remove()
