"""How an algorithm appears to readers: its name, its place in tables, its look in figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

__all__ = ["Appearance", "Dash", "Marker", "appearance_of"]

Dash = Literal["solid", "dashed", "dotted", "dashdot", "longdash", "dashdotdot"]
Marker = Literal[
    "circle", "square", "up", "diamond", "down", "cross", "plus", "pentagon", "left", "right"
]


@dataclass(frozen=True)
class Appearance:
    """The same in every report: what is left empty a report fills in.

    >>> Appearance(title="MAPPO", colour="orange")
    Traceback (most recent call last):
    ...
    ValueError: a colour is '' or like '#E69F00', not 'orange'
    """

    title: str = ""
    """As readers know it, e.g. `MAPPO`; empty: its name."""
    model_based: bool | None = None
    """Whether it learns a model of the environment: tables group by it. None: not said."""
    position: int = 100
    """Its place in tables among its kind: lower stands further left, equal ones by name."""
    colour: str = ""
    """Of its lines on white paper, e.g. `#E69F00`; empty: the report chooses by its name."""
    dash: Dash = "solid"
    marker: Marker = "circle"

    def __post_init__(self) -> None:
        """Refuse what no figure can draw."""
        if self.colour and not re.fullmatch(r"#[0-9A-Fa-f]{6}", self.colour):
            raise ValueError(f"a colour is '' or like '#E69F00', not {self.colour!r}")
        for name, value, known in (("dash", self.dash, Dash), ("marker", self.marker, Marker)):
            if value not in get_args(known):
                raise ValueError(f"a {name} is one of {', '.join(get_args(known))}, not {value!r}")


def appearance_of(document: Mapping[str, Any]) -> Appearance:
    """Give what a run's provenance recorded of its algorithm; what it does not say is left empty.

    What only a newer version knows is passed over.
    """
    known = {field.name for field in fields(Appearance)}
    return Appearance(**{key: value for key, value in document.items() if key in known})
