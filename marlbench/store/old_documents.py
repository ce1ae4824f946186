"""Reads what older versions wrote in `spec.json` as today's version would have written it.

Format 1 had a suite's settings in the algorithm's label (`qmix-quick-suite.players=2`), and
what differs from the presets only in the label and in the origins of values.
"""

from __future__ import annotations

import re
from typing import Any

from marlbench.labels import label, spelt

BY_NOBODY = ("default", "preset ")
"""How the origin of a value begins that the user did not set."""
HASHED = re.compile(r"(.+)-[0-9a-f]{8}")
"""A label that does not spell its differences."""


def upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """Give a document in today's format; one of a format that nobody knows is left as it is."""
    if document.get("format") != 1:
        return document
    written = str(document.get("label"))
    learner, suite = (_changes(document, section) for section in ("algorithm", "suite"))
    return document | {
        "format": 2,
        "label": _without_suite(document, learner, suite) if suite else written,
        "algorithm_changes": learner,
        "suite_changes": suite,
    }


def _changes(document: dict[str, Any], section: str) -> dict[str, Any]:
    """Give the settings of a section that the label says to differ, by dotted key."""
    written, prefix = str(document.get("label")), "" if section == "algorithm" else f"{section}."
    config = document.get(f"{section}_config", {})
    changes = {
        key: _value(config, key.split("."))
        for key in sorted(_set_by_user(document.get("origins", {}), f"{section}."))
    }
    if written == document.get("algorithm"):
        return {}
    if HASHED.fullmatch(written):
        return changes
    return {
        key: each for key, each in changes.items() if f"-{prefix}{key}={spelt(each)}" in written
    }


def _set_by_user(origins: dict[str, str], prefix: str) -> list[str]:
    """Give the keys of a section whose value is neither a default nor a preset's."""
    return [
        key.removeprefix(prefix)
        for key, origin in origins.items()
        if key.startswith(prefix) and not origin.startswith(BY_NOBODY)
    ]


def _value(config: Any, path: list[str]) -> Any:
    """Give the value at a path; None where there is none."""
    for name in path:
        config = config.get(name) if isinstance(config, dict) else None
    return config


def _without_suite(document: dict[str, Any], learner: dict[str, Any], suite: dict[str, Any]) -> str:
    """Spell a label of format 1 without the suite's settings."""
    written = str(document["label"])
    if not (hashed := HASHED.fullmatch(written)):
        return written.removesuffix("".join(f"-suite.{key}={spelt(suite[key])}" for key in suite))
    algorithm = str(document["algorithm"])
    behind = f"{hashed[1].removeprefix(algorithm)}-"
    presets = [name for name in document.get("presets", []) if f"-{name}-" in behind]
    return label(algorithm, presets, learner)
