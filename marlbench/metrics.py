"""What an episode is scored by: how a metric is read, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Metric", "episode_return", "recorded", "win_rate"]


@dataclass(frozen=True)
class Metric:
    """One number of an episode, declared by the suite (`EnvSpec.metrics`).

    >>> deliveries = Metric("deliveries", info="delivered", reduce="sum", digits=1)
    >>> deliveries.text(12.0), win_rate().text(0.25), win_rate().heading
    ('12.0', '25.0 %', 'win %')
    """

    name: str
    """As rows, columns and options spell it."""
    title: str = ""
    """As the axes of figures say it; empty: the name."""
    info: str | None = None
    """Key of `Step.info` that it is read from; None: the rewards, whose sum is the return."""
    reduce: Literal["last", "sum", "mean", "max"] = "last"
    """Of the values of an episode's steps. `last`: that of the `last` step alone."""
    unit: str = ""
    """Shown behind the number; `%` for a share, which is shown a hundredfold."""
    digits: int = 2
    """Shown behind the decimal point."""
    higher_is_better: bool = True
    bounds: tuple[float, float] | None = None
    """(worst, best) plausible value, by which reports normalise; None: unknown."""

    @property
    def scale(self) -> float:
        """What a value is multiplied by to be shown."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def heading(self) -> str:
        """Its name with its unit, as the heads of tables say it."""
        return f"{self.name} {self.unit}".strip()

    @property
    def axis(self) -> str:
        """Its title with its unit, as the axes of figures say it."""
        return (self.title or self.name) + (f" ({self.unit})" if self.unit else "")

    def text(self, value: float) -> str:
        """Give a value as it is shown."""
        return f"{self.scale * value:z.{self.digits}f} {self.unit}".strip()


def episode_return(worst: float | None = None, best: float | None = None) -> Metric:
    """Give the sum of an episode's rewards, with its bounds where both are known."""
    bounds = None if worst is None or best is None else (worst, best)
    return Metric("return", title="episode return", bounds=bounds)


def win_rate() -> Metric:
    """Give the share of episodes whose `last` step says `won` in its info."""
    return Metric("win", "win rate", info="won", unit="%", digits=1, bounds=(0.0, 1.0))


def recorded(env: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Give the metrics that a run's provenance says of its environment; the return if it has none.

    Before metrics were declared, runs recorded names alone: `win` and `return`.
    """
    said: Sequence[Any] = env.get("metrics") or ("return",)
    bounds = env.get("return_bounds") or (None, None)
    known = {"return": episode_return(*bounds), "win": win_rate()}
    return tuple(known[each] if isinstance(each, str) else _declared(each) for each in said)


def _declared(document: Mapping[str, Any]) -> Metric:
    bounds = document.get("bounds")
    return Metric(**{**document, "bounds": None if bounds is None else tuple(bounds)})
