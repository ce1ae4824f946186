"""Lays defaults, presets, a file and `--set` over each other, remembering where each value is from.

A *section* is `run` (the host's settings), `suite`, or the name of a chosen algorithm.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from marlbench.config import RunConfig
from marlbench.errors import UserError, did_you_mean
from marlbench.fields import Setting, flatten, nest, settings_of
from marlbench.plugin import Algorithm, Preset, Suite

__all__ = [
    "Layer",
    "Resolved",
    "algorithm_layers",
    "label",
    "resolve",
    "run_layers",
    "suite_changes",
]

LONGEST_LABEL = 60


@dataclass(frozen=True)
class Layer:
    """Values of one section from one place; later layers win."""

    origin: str
    """`preset quick`, `file x.toml`, `--set`."""
    values: Mapping[str, Any]
    """By dotted key."""


@dataclass(frozen=True)
class Resolved:
    """One section, checked."""

    config: BaseModel
    """The frozen model."""
    origins: dict[str, str] = field(default_factory=dict)
    """For every dotted key where its value comes from."""

    def values(self) -> dict[str, Any]:
        """Give the model as JSON values, nested."""
        return self.config.model_dump(mode="json")

    def flat(self) -> dict[str, Any]:
        """Give the model as JSON values by dotted key."""
        return flatten(settings_of(type(self.config)), self.values())


def run_layers(presets: Sequence[Preset]) -> list[Layer]:
    """Give what the presets set of the host."""
    return [Layer(f"preset {each.name}", _opened(RunConfig, each.run)) for each in presets]


def algorithm_layers(algorithm: Algorithm, presets: Sequence[Preset]) -> list[Layer]:
    """Give what the presets set of an algorithm, its own word after the preset's."""
    layers = [Layer("default", _opened(algorithm.config, algorithm.defaults))]
    for preset in presets:
        both = (preset.algorithms.get(algorithm.name, {}), algorithm.presets.get(preset.name, {}))
        layers += [Layer(f"preset {preset.name}", _opened(algorithm.config, each)) for each in both]
    return layers


def _opened(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    return flatten(settings_of(model), values)


def resolve(section: str, model: type[BaseModel], layers: Iterable[Layer]) -> Resolved:
    """Lay layers over a model's defaults and check the result; raises UserError."""
    known = settings_of(model)
    values = {key: each.default for key, each in known.items() if not each.required}
    origins = dict.fromkeys(known, "default")
    for layer in layers:
        values |= layer.values
        origins |= dict.fromkeys(layer.values, layer.origin)
    try:
        return Resolved(model.model_validate(nest(values)), origins)
    except ValidationError as error:
        raise UserError(_complaint(section, known, origins, error)) from error


def _complaint(
    section: str, known: Mapping[str, Setting], origins: Mapping[str, str], error: ValidationError
) -> str:
    """Say the first thing that is wrong in one line, with the allowed values."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        origin = origins.get(key, "default")
        return f"{origin}: {section} has no setting {key!r}{did_you_mean(key, known)}"
    while key not in known and "." in key:  # an index into a list is not part of the key
        key = key.rpartition(".")[0]
    if key not in known:
        return f"{section}: {first['msg'].removeprefix('Value error, ')}"
    name, allowed = f"{section}.{key}", _allowed(known[key]) or first["msg"]
    if first["type"] == "missing":
        return f"{name} has no default: --set {name}=... gives it; it is {allowed}"
    return f"{origins[key]}: {name} cannot be {first['input']!r}; it is {allowed}"


def _allowed(setting: Setting) -> str:
    """Say what a setting may be; of a list also how it is written."""
    if "a list" not in setting.allowed:
        return setting.allowed
    listed = isinstance(setting.default, list | tuple) and setting.default
    written = json.dumps(setting.default, separators=(",", ":"), default=str) if listed else "[A,B]"
    return f"{setting.allowed}, such as {written}"


def suite_changes(suite: Suite, resolved: Resolved) -> dict[str, Any]:
    """Give the suite's settings that are not its defaults, by `suite.` and their key."""
    changed = _differences(_laid("suite", suite.config, [], resolved), resolved.flat())
    return {f"suite.{key}": value for key, value in changed.items()}


def _laid(
    section: str, model: type[BaseModel], layers: Sequence[Layer], resolved: Resolved
) -> dict[str, Any]:
    """Give what layers make of a section; what only the user can say of `resolved` is left out."""
    said = {key for layer in layers for key in layer.values}
    open_ = {key for key, each in settings_of(model).items() if each.required} - said
    users = Layer("--set", {key: value for key, value in resolved.flat().items() if key in open_})
    flat = resolve(section, model, [users, *layers]).flat()
    return {key: value for key, value in flat.items() if key not in open_}


def label(
    algorithm: Algorithm,
    presets: Sequence[Preset],
    paper: Sequence[Preset],
    resolved: Resolved,
    suite_changed: Mapping[str, Any],
) -> str:
    """Name the variant: equal labels mean equal settings of algorithm and suite.

    The algorithm's bare name where all is as in its paper; else the presets that change it and
    every further difference.
    """
    by_paper, by_presets = (
        _laid(algorithm.name, algorithm.config, algorithm_layers(algorithm, each), resolved)
        for each in (paper, presets)
    )
    if resolved.flat() == by_paper:
        return _written(algorithm.name, [], suite_changed)
    changing = [each.name for each in presets if _changes(algorithm, each)]
    further = {**_differences(by_presets, resolved.flat()), **suite_changed}
    return _written(algorithm.name, changing if by_presets != by_paper else [], further)


def _changes(algorithm: Algorithm, preset: Preset) -> bool:
    return bool(preset.algorithms.get(algorithm.name) or algorithm.presets.get(preset.name))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {key: after[key] for key in sorted(after) if after[key] != before.get(key)}


def _written(name: str, presets: Sequence[str], further: Mapping[str, Any]) -> str:
    """Spell a label; hashed where it would be too long or two values could be spelt alike."""
    parts = [name, *presets, *(f"{key}={_spelt(value)}" for key, value in further.items())]
    spelt = "-".join(parts)
    plain = all(re.fullmatch(r"[\w.,=+-]+", part, re.ASCII) for part in parts)
    if len(spelt) <= LONGEST_LABEL and plain and all(map(_clear, further.values())):
        return spelt
    digest = hashlib.sha256(json.dumps([presets, further], sort_keys=True).encode()).hexdigest()
    return "-".join([name, *presets, digest[:8]])


def _clear(value: Any) -> bool:
    """Tell whether a value's spelling could be no other value's nor hold a separator."""
    return not isinstance(value, str) or (
        value.isidentifier() and value not in ("null", "true", "false")
    )


def _spelt(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":")).strip("[]")
