"""What a run tells of its speed, and when it will be done."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from marlbench.config import RunConfig
from marlbench.training.progress import Progress


class Hours:
    """A clock that is an hour further at every look."""

    seen = 0.0

    def seconds(self) -> dict[str, float]:
        """Give the seconds spent so far."""
        self.seen += 3600
        return {"startup": 0.0, "training": self.seen, "evaluation": 0.0}

    def total(self) -> float:
        """Give all of them."""
        return self.seen


def test_updates_that_are_all_of_one_env_step_give_no_rate() -> None:
    told: list[dict[str, Any]] = []
    progress = Progress(RunConfig(steps=100), told.append, clock=Hours())  # type: ignore[arg-type]
    for env_steps in (10, 10, 20):
        progress.updated(env_steps)
        now: Any = SimpleNamespace(env_steps=env_steps, updates=1, evaluations=0)
        progress.show(now, "training", at_once=True)
    assert [each["eta_s"] is None for each in told] == [True, True, False]
