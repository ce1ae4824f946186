"""Why something failed, in one line for whoever reads it."""

from __future__ import annotations

from pydantic import ValidationError


def reason(error: Exception) -> str:
    """Give an error's type and its first line, or what is wrong with the first wrong setting."""
    if isinstance(error, ValidationError):
        return f"{type(error).__name__}: {wrong_setting(error)}"
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}"


def wrong_setting(error: ValidationError) -> str:
    """Say the first thing that is wrong with a config, in one line."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{error.title} has no setting {key!r}"
    if first["type"] == "missing":
        return f"{error.title}.{key} has no default and is not set"
    said = " ".join(first["msg"].removeprefix("Value error, ").split())
    where = f".{key} cannot be {first['input']!r}" if key else ""
    return f"{error.title}{where}: {said}"
