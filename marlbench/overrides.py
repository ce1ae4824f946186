"""What the user sets by hand, `--set` and a settings file, and whose setting each of it is.

A *section* is `run` (the host's settings), `suite`, or the name of a chosen algorithm.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marlbench.config import RunConfig
from marlbench.errors import UserError, nearest
from marlbench.fields import Setting, flatten, settings_of
from marlbench.plugin import Algorithm, Suite

__all__ = ["Override", "Sections", "parse_set", "read_file"]


@dataclass(frozen=True)
class Override:
    """One value that the user asks for, before it is known whose setting it is."""

    key: str
    """As written: `run.steps`, `suite.sight`, `qmix.gamma`, `algorithm.gamma` or `gamma`."""
    value: Any
    """Parsed."""
    origin: str
    """`--set`, `--steps` or `file x.toml`."""


def parse_set(text: str) -> Override:
    """Read `key=value`; the value is a TOML or JSON literal, or else a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {text}: write key=value, e.g. --set run.steps=1000")
    return Override(key.strip(), _literal(value.strip()), "--set")


def _literal(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        pass
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def read_file(path: Path) -> dict[str, Any]:
    """Read a settings file (TOML)."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: is not TOML: {error}") from error


class Sections:
    """The settings of everything that takes part in a plan, and where a override belongs."""

    def __init__(
        self, suite: Suite, algorithms: Sequence[Algorithm], catalogued: Sequence[str]
    ) -> None:
        self.names = [algorithm.name for algorithm in algorithms]
        self.others = set(catalogued) - set(self.names)
        self.known: dict[str, dict[str, Setting]] = {
            "run": settings_of(RunConfig),
            "suite": settings_of(suite.config),
            **{algorithm.name: settings_of(algorithm.config) for algorithm in algorithms},
        }

    def read(self, document: Mapping[str, Any], origin: str) -> Iterator[Override]:
        """Open a settings file; what it says of algorithms that are not played is passed over."""
        bare = self._bare()
        keys = {*self._full(), *bare, *(f"algorithm.{key}" for key in bare)}
        for key, value in flatten(keys, document).items():
            if key.partition(".")[0] not in self.others:
                yield Override(key, value, origin)

    def place(self, override: Override) -> list[tuple[str, str]]:
        """Give the sections that an override is for, each with its key there; raises UserError."""
        head, _, rest = override.key.partition(".")
        if head in self.others:
            names = ", ".join(self.names)
            raise UserError(
                f"{override.origin}: {override.key}: {head} is not played here, only {names}"
            )
        if rest in self.known.get(head, {}):
            return [(head, rest)]
        key = rest if head == "algorithm" else override.key
        having = [name for name in self.names if key in self.known[name]]
        if not having:
            raise UserError(self._unknown(override))
        if lacking := [name for name in self.names if name not in having]:
            raise UserError(
                f"{override.origin}: {', '.join(lacking)} has no setting {key!r}; "
                f"write {having[0]}.{key} to set it for {having[0]} alone"
            )
        return [(name, key) for name in having]

    def _unknown(self, override: Override) -> str:
        keys = [*self._full(), *self._bare()]
        near = nearest(override.key, keys)
        by_last = {key.rpartition(".")[2]: key for key in keys}
        last = nearest(override.key.rpartition(".")[2], by_last)
        if last and (near is None or last == override.key):  # `steps` for `run.steps`
            near = by_last[last]
        hint = f"; did you mean {near!r}?" if near else ""
        shown = self.names[0] if self.names else "NAME"
        said = f"{override.origin}: there is no setting {override.key!r}"
        return f"{said}{hint} (marlbench show {shown})"

    def _full(self) -> list[str]:
        return [f"{section}.{key}" for section, keys in self.known.items() for key in keys]

    def _bare(self) -> list[str]:
        return sorted({key for name in self.names for key in self.known[name]})
