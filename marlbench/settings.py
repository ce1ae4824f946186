"""Lays overrides over a config's defaults: which value holds, who says it, and what it changes.

A *section* is `run` (the host's settings), `suite`, or the name of a chosen algorithm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from marlbench.config import RunConfig
from marlbench.errors import UserError, did_you_mean
from marlbench.fields import Setting, flatten, nest, settings_of
from marlbench.overrides import Override
from marlbench.plugin import Algorithm, Preset, Suite
from marlbench.studies import Variant

__all__ = [
    "Resolved",
    "defaults_of",
    "host_by_presets",
    "learner_by_presets",
    "learner_by_study",
    "resolve",
    "suite_changes",
    "variant",
]


@dataclass(frozen=True)
class Resolved:
    """One section, checked."""

    section: str
    config: BaseModel
    """The frozen model."""
    document: dict[str, Any]
    """The model as JSON values, nested."""
    flat: dict[str, Any]
    """The same by dotted key."""
    origins: dict[str, str]
    """For every dotted key where its value comes from."""


def defaults_of(algorithm: Algorithm) -> list[Override]:
    """Give what this entry of the catalogue has over the defaults of its config."""
    return _opened(algorithm.config, "default", algorithm.defaults)


def learner_by_presets(algorithm: Algorithm, presets: Iterable[Preset]) -> list[Override]:
    """Give what the presets set of an algorithm, its own word after the preset's."""
    return [
        override
        for preset in presets
        for values in _words_on(algorithm, preset)
        for override in _opened(algorithm.config, f"preset {preset.name}", values)
    ]


def learner_by_study(algorithm: Algorithm, study: str, variant: Variant) -> list[Override]:
    """Give what a variant of a study sets of its algorithm."""
    return _opened(algorithm.config, f"study {study}", variant.settings)


def host_by_presets(presets: Iterable[Preset], suite: Suite | None = None) -> list[Override]:
    """Give what the presets set of the host, a suite's own word after the preset's."""
    return [
        override
        for preset in presets
        for values in (preset.run, suite.presets.get(preset.name, {}) if suite else {})
        for override in _opened(RunConfig, f"preset {preset.name}", values)
    ]


def _words_on(algorithm: Algorithm, preset: Preset) -> Sequence[Mapping[str, Any]]:
    return preset.algorithms.get(algorithm.name, {}), algorithm.presets.get(preset.name, {})


def _opened(model: type[BaseModel], origin: str, values: Mapping[str, Any]) -> list[Override]:
    flat = flatten(settings_of(model), values)
    return [Override(key, value, origin) for key, value in flat.items()]


def resolve(section: str, model: type[BaseModel], overrides: Iterable[Override]) -> Resolved:
    """Lay overrides over a model's defaults, the last one wins; raises UserError."""
    known = settings_of(model)
    values = {key: each.default for key, each in known.items() if not each.required}
    origins = dict.fromkeys(known, "default")
    for override in overrides:
        values[override.key] = override.value
        origins[override.key] = override.origin
    try:
        config = model.model_validate(nest(values))
    except ValidationError as error:
        raise UserError(_complaint(section, known, origins, error)) from error
    document = config.model_dump(mode="json")
    return Resolved(section, config, document, flatten(known, document), origins)


def suite_changes(resolved: Resolved) -> dict[str, Any]:
    """Give the suite's settings that are not its defaults, by dotted key."""
    return _differences(_laid(resolved, []), resolved.flat)


def variant(
    algorithm: Algorithm, presets: Sequence[Preset], paper: Sequence[Preset], resolved: Resolved
) -> tuple[list[str], dict[str, Any]]:
    """Give the presets that make this variant of an algorithm and what differs from them, by key.

    Nothing of either where all is as in the paper.
    """
    own = defaults_of(algorithm)
    by_paper, by_presets = (
        _laid(resolved, [*own, *learner_by_presets(algorithm, each)]) for each in (paper, presets)
    )
    if resolved.flat == by_paper:
        return [], {}
    names = [each.name for each in presets if any(_words_on(algorithm, each))]
    return names if by_presets != by_paper else [], _differences(by_presets, resolved.flat)


def _laid(resolved: Resolved, overrides: Sequence[Override]) -> dict[str, Any]:
    """Give what these overrides alone make of a section; what only the user can say is left out."""
    model = type(resolved.config)
    said = {override.key for override in overrides}
    left = {key for key, each in settings_of(model).items() if each.required} - said
    given = [Override(key, value, "--set") for key, value in resolved.flat.items() if key in left]
    laid = resolve(resolved.section, model, [*given, *overrides]).flat
    return {key: value for key, value in laid.items() if key not in left}


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {key: after[key] for key in sorted(after) if after[key] != before.get(key)}


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
