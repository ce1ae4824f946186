"""What is said of settings over their defaults, by whom, and whose settings they are.

A *section* is `run` (the host's settings), `suite`, or the name of a chosen algorithm.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from marlbench.config import RunConfig
from marlbench.errors import UserError, nearest
from marlbench.fields import Setting, flatten, settings_of
from marlbench.plugin import Algorithm, Config, Suite

__all__ = ["Override", "Sections", "parse_set", "read_file", "without_executors"]

EACH = "algorithm"
"""Before a key: the setting of every algorithm that is played."""


@dataclass(frozen=True)
class Override:
    """One value over a setting's default, and who says it."""

    key: str
    """As the user writes it (`run.steps`, `suite.sight`, `qmix.gamma`, `algorithm.gamma`, `gamma`);
    once it is placed, the key in its section."""
    value: Any
    """Parsed; a table opens into the settings below the key."""
    origin: str
    """`preset quick`, `file x.toml`, `--set` or `--steps`."""
    shared: bool = False
    """Whether it stands in a file, which may also speak of algorithms that are not played."""


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


def read_file(path: Path) -> list[Override]:
    """Read a settings file (TOML)."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: is not TOML: {error}") from error
    origin = f"file {path.name}"
    return [Override(key, value, origin, shared=True) for key, value in document.items()]


def without_executors(
    overrides: Sequence[Override], name: str, config: type[Config], others: Collection[str]
) -> tuple[list[Override], list[Override]]:
    """Take the settings of the executor of this name out: give them by its own keys, and the rest.

    Those of other executors are for other commands if they stand in a file, and refused by hand.
    """
    own, rest = list[Override](), list[Override]()
    for override in overrides:
        head, _, key = override.key.partition(".")
        if head == name:
            values = {key: override.value} if key else override.value
            if not isinstance(values, Mapping):
                raise UserError(f"{override.origin}: {name} is an executor: {name}.KEY=VALUE")
            flat = flatten(settings_of(config), values)
            own += [replace(override, key=each, value=value) for each, value in flat.items()]
        elif head not in others:
            rest.append(override)
        elif not override.shared:
            raise UserError(
                f"{override.origin}: {override.key}: the executor here is {name}, "
                f"--executor {head} takes another"
            )
    return own, rest


class Sections:
    """The settings of everything that takes part in a plan, and where an override belongs."""

    def __init__(
        self, suite: Suite, algorithms: Sequence[Algorithm], catalogued: Sequence[str]
    ) -> None:
        self.names = [algorithm.name for algorithm in algorithms]
        self.others = set(catalogued) - set(self.names)
        self.former = {
            f"{prefix}{old}": f"{prefix}{new}"
            for algorithm in algorithms
            for old, new in algorithm.config.former_names.items()
            for prefix in ("", f"{EACH}.", f"{algorithm.name}.")
        }
        self.known: dict[str, dict[str, Setting]] = {
            "run": settings_of(RunConfig),
            "suite": settings_of(suite.config),
            **{algorithm.name: settings_of(algorithm.config) for algorithm in algorithms},
        }

    def sort(self, overrides: Sequence[Override]) -> dict[str, list[Override]]:
        """Give every section its overrides, in their order; raises UserError."""
        placed: dict[str, list[Override]] = {section: [] for section in self.known}
        for override in overrides:
            for section, own in self.place(override):
                placed[section].append(own)
        return placed

    def place(self, override: Override) -> Iterator[tuple[str, Override]]:
        """Give the sections that an override is for, each with its own; raises UserError."""
        head, _, rest = override.key.partition(".")
        if head in self.others:
            self._refuse_absent(override, head)
            return
        if rest in self.known.get(head, {}):
            yield head, replace(override, key=rest)
            return
        key = rest if head == EACH else override.key
        having = [name for name in self.names if key in self.known[name]]
        if having:
            self._refuse_lacking(override, key, having)
            yield from ((name, replace(override, key=key)) for name in having)
            return
        if not isinstance(override.value, Mapping) or not (override.value or self._heads(head)):
            raise UserError(self._unknown(override))
        for name, value in override.value.items():
            yield from self.place(replace(override, key=f"{override.key}.{name}", value=value))

    def _heads(self, name: str) -> bool:
        """Tell whether a table may have this name, were it empty."""
        return name == EACH or name in self.known

    def _refuse_absent(self, override: Override, name: str) -> None:
        """Raise UserError for a setting of an algorithm that is not played, but for a file's."""
        if not override.shared:
            played = ", ".join(self.names)
            raise UserError(
                f"{override.origin}: {override.key}: {name} is not played here, only {played}"
            )

    def _refuse_lacking(self, override: Override, key: str, having: Sequence[str]) -> None:
        """Raise UserError if an algorithm that is played lacks what another one has."""
        if lacking := [name for name in self.names if name not in having]:
            raise UserError(
                f"{override.origin}: {', '.join(lacking)} has no setting {key!r}; "
                f"write {having[0]}.{key} to set it for {having[0]} alone"
            )

    def _unknown(self, override: Override) -> str:
        if today := self.former.get(override.key):
            return f"{override.origin}: {override.key!r} is called {today!r} today"
        keys = [
            *(f"{section}.{key}" for section, keys in self.known.items() for key in keys),
            *sorted({key for name in self.names for key in self.known[name]}),
        ]
        near = nearest(override.key, keys)
        by_last = {key.rpartition(".")[2]: key for key in keys}
        last = nearest(override.key.rpartition(".")[2], by_last)
        if last and (near is None or last == override.key):  # `steps` for `run.steps`
            near = by_last[last]
        hint = f"; did you mean {near!r}?" if near else ""
        shown = self.names[0] if self.names else "NAME"
        said = f"{override.origin}: there is no setting {override.key!r}"
        return f"{said}{hint} (marlbench show {shown})"
