"""Ways to start many runs: what an executor is, and what it tells whoever watches; no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from marlbench.plugin_config import Config

__all__ = ["Executor", "Outcome", "Resources", "RunsPerGpu", "Watcher"]

RunsPerGpu: TypeAlias = int | Literal["auto"]
"""Runs that share one GPU; `auto`: as many as its memory has room for."""


@dataclass(frozen=True)
class Resources:
    """What the user grants to a grid of runs."""

    workers: int | None = None
    """Runs at a time; None: as many as the machine has room for."""
    runs_per_gpu: RunsPerGpu = 1
    """Runs that share one GPU."""
    threads: int = 1
    """Threads of one run."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the runs compute."""
    settings: Config | None = None
    """The executor's own, an `Executor.config`; None: its defaults."""


class Watcher(Protocol):
    """Follows a grid; what it shows of a run it reads from the run's own files."""

    def started(self, folder: Path, attempt: int) -> None:
        """Note that a worker begins, for the n-th time in this grid."""
        ...

    def retrying(self, folder: Path, reason: str, seconds: float) -> None:
        """Note that a worker died and that another begins after so many seconds."""
        ...

    def finished(self, folder: Path, failure: str | None) -> None:
        """Note that a run is done, or why it failed."""
        ...

    def stopping(self, workers: int, seconds: float) -> None:
        """Note that all is to stop: so many workers have so long for their checkpoints."""
        ...

    def tick(self) -> None:
        """Look again: called several times a second."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How a grid ended."""

    failures: dict[Path, str]
    """Why, in one line, for every run that failed."""
    interrupted: bool
    """Whether it was stopped before its end."""


@dataclass(frozen=True)
class Executor:
    """A way to start many runs."""

    name: str
    """What `--executor` calls it."""
    summary: str
    """One sentence for `marlbench list`."""
    run: Callable[[Sequence[Path], Resources, Watcher], Outcome]
    """Play the runs of these folders, each holding a `spec.json`, to their ends.

    `python -m marlbench.training.worker FOLDER` plays one, and says by its exit code what came
    of it (`marlbench.exit_codes.ExitCode`).
    """
    slots: Callable[[Resources], Sequence[str]]
    """Name the slots that those resources give, without starting anything.

    Raises `marlbench.errors.UserError` where they cannot be had.
    """
    config: type[Config] = Config
    """The executor's own settings: `--set NAME.KEY=VALUE` sets one, no run's document has them."""
