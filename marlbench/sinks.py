"""Where a run's rows may go besides its files: the contract of a sink; nothing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Followed", "Sink", "Writer"]


@dataclass(frozen=True)
class Followed:
    """A run as a sink sees it."""

    folder: Path
    """Its folder; what a sink writes on this machine belongs below `sinks/` in it."""
    suite: str
    task: str
    """As tables name it."""
    label: str
    seed: int
    key: str
    """Letters and digits that are the same whenever the run is followed, and of no other run."""
    settings: Mapping[str, Any]
    """All that decides the run, by dotted key."""

    @property
    def group(self) -> str:
        """Give what runs of other seeds have in common: `skirmish/3v3/qmix`."""
        return f"{self.suite}/{self.task}/{self.label}"

    @property
    def name(self) -> str:
        """Give the run's own name: `skirmish/3v3/qmix/0`."""
        return f"{self.group}/{self.seed}"


class Writer(Protocol):
    """Takes the rows of one run; may raise whatever a network raises, and is then opened anew.

    A row counts as handed on once `log` has returned. What a writer then still holds, as those do
    that upload in the background, is lost if its process is killed before `close`.
    """

    def log(self, values: Mapping[str, float], env_steps: int, time: float) -> None:
        """Take numbers by name (`eval/win`, `train/loss`), of so many env steps, at a Unix time."""
        ...

    def close(self, status: str) -> None:
        """Take the end of it, with the run's status: `done`, or how far it is."""
        ...


@dataclass(frozen=True)
class Sink:
    """A place that rows of runs are handed on to, by a process that follows their files."""

    name: str
    """What `--sink` calls it."""
    summary: str
    """One sentence for `marlbench list`."""
    open: Callable[[Followed], Writer]
    """Begin a run, or go on with it; imports its package only here."""
    requires: tuple[str, ...] = ()
    """Module names that must be importable."""
    extra: str | None = None
    """Which of marlbench's own pip extras installs them; None: what `requires` names."""
