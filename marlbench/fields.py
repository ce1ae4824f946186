"""What can be set in a config: every key with its sentence, source, default and allowed values."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

__all__ = ["Setting", "flatten", "nest", "settings_of"]

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


@dataclass(frozen=True)
class Setting:
    """One key of a config."""

    key: str
    """Dotted path inside its config: `evaluation.every`."""
    default: Any
    """Its value where nobody says another."""
    sentence: str
    """What it is."""
    source: str
    """Where the default comes from, as its sentence's last bracket says."""
    allowed: str
    """Its allowed values in words."""

    @property
    def required(self) -> bool:
        """Whether it has no default, so that somebody must set it."""
        return self.default is PydanticUndefined


def settings_of(model: type[BaseModel], default: BaseModel | None = None) -> dict[str, Setting]:
    """Give every key of a config, nested configs opened, in the order of their declaration."""
    found: dict[str, Setting] = {}
    for name, info in model.model_fields.items():
        value = getattr(default, name) if default else info.get_default(call_default_factory=True)
        if inner := _model(info.annotation):
            opened = settings_of(inner, value if isinstance(value, BaseModel) else None)
            found |= {f"{name}.{key}": _under(name, setting) for key, setting in opened.items()}
        else:
            found[name] = Setting(name, value, *_sentence(info), _allowed(info))
    return found


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _under(prefix: str, setting: Setting) -> Setting:
    return Setting(
        f"{prefix}.{setting.key}",
        setting.default,
        setting.sentence,
        setting.source,
        setting.allowed,
    )


def _sentence(info: FieldInfo) -> tuple[str, str]:
    """Split `What it is [where its value comes from].`; the source may hold brackets itself."""
    text = " ".join((info.description or "").split())
    body = text.removesuffix(".")
    if not body.endswith("]"):
        return text, ""
    depth = 0
    for at in range(len(body) - 1, -1, -1):
        depth += (body[at] == "]") - (body[at] == "[")
        if depth == 0:
            return body[:at].rstrip() + ".", body[at + 1 : -1]
    return text, ""


def _allowed(info: FieldInfo) -> str:
    words = _words(info.annotation, info.metadata)
    return f"{words}, such as {', '.join(map(str, info.examples))}" if info.examples else words


def _words(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Say a type and its bounds in words: `a whole number, at least 1`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0], [*arguments[1:], *metadata])
    if origin is Literal:
        said = "one of " + ", ".join(str(argument) for argument in arguments)
    elif origin in (Union, types.UnionType):
        said = " or ".join(_words(argument) for argument in arguments)
    elif origin in (tuple, list):
        said = "a list, each " + _words(arguments[0]) if arguments else "a list"
    elif origin is dict:
        said = "a table"
    else:
        said = "null" if annotation is type(None) else WORDS.get(annotation, "")
    return ", ".join([said, *_bounds(metadata)])


def _bounds(metadata: Iterable[Any]) -> list[str]:
    found = []
    for constraint in metadata:
        for name, words in BOUNDS.items():
            if (bound := getattr(constraint, name, None)) is not None:
                found.append(f"{words} {bound}")
    return found


def flatten(known: Iterable[str], values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give nested values by dotted key; a table that is itself the value of a key stays whole."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        key = prefix + name
        if isinstance(value, Mapping) and key not in known:
            flat |= flatten(known, value, key + ".")
        else:
            flat[key] = value
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Give values by dotted key as nested tables.

    >>> nest({"steps": 1, "evaluation.every": 2})
    {'steps': 1, 'evaluation': {'every': 2}}
    """
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        table = nested
        for name in path:
            table = table.setdefault(name, {})
        table[last] = value
    return nested
