"""Published numbers, one file per source in `published/`, and what each of them says of itself."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["GROUPS", "Published", "Source", "published", "sources"]

FOLDER = Path(__file__).parent / "published"
GROUPS = ("paper", "published")
"""What `--against` takes: the paper whose table this project is held against, and all others."""

Spread = Literal["sd", "ci95", "unknown", "none"]
"""What stands beside a score: a standard deviation over seeds, the half width of a 95 % interval
of their mean, something that is not said, nothing."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SourceTask(_Entry):
    """One task of a source, with its scores."""

    published: str
    """The task as the source names it."""
    ours: str
    """`suite/task` here."""
    metric: Literal["return", "win"]
    """`win` in percent."""
    comparable: bool
    """Whether a run here with the source's settings would measure the same."""
    why: str = ""
    """Why not; or what is to be known where it does."""
    steps: int | None = Field(default=None, ge=1)
    """Env steps, where they are not the source's."""
    scores: dict[str, tuple[float] | tuple[float, float]]
    """By algorithm as published: the score and, if there is one, its spread."""

    @model_validator(mode="after")
    def _says_why(self) -> SourceTask:
        if not self.comparable and not self.why:
            raise ValueError(f"{self.published} does not compare, but not why")
        return self


class Source(_Entry):
    """A table or plot that somebody published: one file."""

    name: str
    """What a report calls it."""
    group: Literal["paper", "published"]
    """Which of `GROUPS` it belongs to."""
    source: str
    """Where it stands."""
    read: str
    """How it was read."""
    statistic: str
    """What a score is over seeds: `mean`, `median`, `maximum over evaluations`, `not said`."""
    spread: Spread
    """What its spreads are."""
    seeds: int | None = Field(default=None, ge=1)
    """Runs behind a score; None: not said."""
    steps: int = Field(ge=1)
    """Env steps of a run."""
    simulator: str = ""
    """What the provenance of a run here must name for it to be the same game; empty: not said."""
    notes: tuple[str, ...] = ()
    """What else is to be known of all its scores, as half sentences."""
    algorithms: dict[str, str]
    """By algorithm as published: the name here, or "" where there is none."""
    tasks: tuple[SourceTask, ...]

    @model_validator(mode="after")
    def _knows_its_algorithms(self) -> Source:
        named = {name for task in self.tasks for name in task.scores}
        if named != self.algorithms.keys():
            raise ValueError(f"algorithms are {sorted(self.algorithms)}, scores {sorted(named)}")
        return self


@dataclass(frozen=True)
class Published:
    """One number that somebody published."""

    source: Source
    task: SourceTask
    algorithm: str
    """As published."""
    ours: str
    """The algorithm's name here; empty where there is none."""
    score: float
    spread: float | None

    @property
    def steps(self) -> int:
        """Env steps of a run."""
        return self.task.steps or self.source.steps

    @property
    def digits(self) -> int:
        """Decimals in which tables print such scores."""
        return 1 if self.task.metric == "win" else 2

    def text(self) -> str:
        """The score and, in brackets, its spread: `52.1 (9.4)`, `-126.62 (± 2.96)`, `98.0`."""
        score = f"{self.score:.{self.digits}f}"
        if self.spread is None:
            return score
        mark = "± " if self.source.spread == "ci95" else ""
        return f"{score} ({mark}{self.spread:.{self.digits}f})"


def sources(group: str | None = None) -> tuple[Source, ...]:
    """Give all sources, or those of one of `GROUPS`, in the order of their files."""
    documents = (path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.toml")))
    every = (Source.model_validate(tomllib.loads(document)) for document in documents)
    return tuple(each for each in every if group in (None, each.group))


def published(source: Source) -> Iterator[Published]:
    """Give every number of a source, in its order."""
    for task in source.tasks:
        for algorithm, (score, *spread) in task.scores.items():
            ours = source.algorithms[algorithm]
            yield Published(source, task, algorithm, ours, score, spread[0] if spread else None)
