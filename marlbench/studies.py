"""What a study is: variants of algorithms that are compared with each other, and its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Study", "StudyFigure", "Variant"]


@dataclass(frozen=True)
class Variant:
    """One label of a study: an algorithm, and what is set otherwise than presets say."""

    algorithm: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the algorithm, nested or by dotted key; none: the algorithm as it is."""


@dataclass(frozen=True)
class StudyFigure:
    """A figure that the report draws of a study's runs."""

    title: str
    variants: tuple[str, ...]
    """Which variants it shows, in its order."""
    along: str = ""
    """A setting that is a number: what runs came to at the end, against it, a line for each task.
    Empty: a line for each variant against env steps, its mean over the tasks."""


@dataclass(frozen=True)
class Study:
    """A named set of labels and settings, offered through the hook `marlbench_studies`."""

    name: str
    """As the command line says it: `marlbench run --study NAME --suite ...`."""
    summary: str
    """One sentence for `marlbench list`."""
    variants: Mapping[str, Variant]
    """By what readers call them, `DMAWM-TC`; two that come to the same settings are one label."""
    figures: tuple[StudyFigure, ...] = ()
    seeds: int | None = None
    """How many seeds, where the user does not say; None: as many as the presets want."""

    def flaws(self) -> Iterator[str]:
        """Say what is wrong with it: figures that name variants which it does not have."""
        if not self.variants:
            yield "no variants"
        for figure in self.figures:
            for name in figure.variants:
                if name not in self.variants:
                    yield f"the figure {figure.title!r} of {name!r}, which is no variant of it"
