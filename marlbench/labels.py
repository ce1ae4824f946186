"""How variants are spelt: the label of an algorithm's, the row of a task's, and both in words.

Equal labels mean equal settings of the algorithm, equal rows equal settings of the suite.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["LONGEST", "check_name", "exact", "in_words", "label", "row", "spelt", "task_suffix"]

LONGEST = 60
"""Characters of a label, and of the settings in the name of a task's folder."""
LONGEST_NAME = 40
"""Characters of what a user calls a variant: the algorithm's name stands before it."""
PLAIN = re.compile(r"[\w.,=+-]+", re.ASCII)
"""What a label is made of."""
PLAIN_SUFFIX = re.compile(r"[\w.,=+\[\]-]+", re.ASCII)


def label(algorithm: str, presets: Sequence[str], changes: Mapping[str, Any]) -> str:
    """Spell an algorithm, the presets that change it and every further difference.

    The differences are hashed where they would be too long or could be spelt like others.

    >>> label("qmix", ["quick"], {"gamma": 0.9})
    'qmix-quick-gamma=0.9'
    """
    parts = [algorithm, *presets]
    written = "-".join([*parts, *(f"{key}={spelt(value)}" for key, value in changes.items())])
    clear = all(map(_clear, changes.values()))
    if clear and len(written) <= LONGEST and PLAIN.fullmatch(written):
        return written
    return "-".join([*parts, _digest([list(presets), changes])])


def check_name(name: str) -> None:
    """Raise ValueError if a name that the user chose for a variant cannot be part of a label."""
    if len(name) > LONGEST_NAME or not PLAIN.fullmatch(name):
        raise ValueError(
            f"it is letters, digits and any of _ . , = + -, at most {LONGEST_NAME} of them"
        )


def row(task: str, changes: Mapping[str, Any]) -> str:
    """Name a task as tables do: with the settings of its suite that are not the defaults.

    >>> row("tiny", {"map_size": 12, "sight": 4.0}), row("tiny", {})
    ('tiny [map_size=12, sight=4.0]', 'tiny')
    """
    return f"{task} [{', '.join(_pairs(changes, '='))}]" if changes else task


def task_suffix(changes: Mapping[str, Any]) -> str:
    """Spell a suite's settings for the name of a task's folder; hashed as a label would be.

    >>> task_suffix({"map_size": 12, "sight": 4.0}), task_suffix({})
    ('[map_size=12,sight=4.0]', '')
    """
    if not changes:
        return ""
    written = ",".join(_pairs(changes, "="))
    plain = len(written) <= LONGEST and PLAIN_SUFFIX.fullmatch(written)
    return f"[{written if plain else _digest(changes)}]"


def in_words(label: str, algorithm: str, presets: Sequence[str], changes: Mapping[str, Any]) -> str:
    """Say what a label means: its presets and what differs from them.

    >>> in_words("qmix-far", "qmix", ["quick"], {"gamma": 0.9})
    'qmix-far is qmix by preset quick with gamma = 0.9'
    """
    said = f"{label} is {algorithm}"
    if presets:
        said += f" by preset{'s' if len(presets) > 1 else ''} {', '.join(presets)}"
    return f"{said} with {', '.join(_pairs(changes, ' = '))}" if changes else said


def spelt(value: Any) -> str:
    """Spell a value as labels do: text as it is, a list without its brackets."""
    return value if isinstance(value, str) else exact(value).strip("[]")


def exact(value: Any) -> str:
    """Spell a value as no other is spelt, and as `--set` reads it.

    Text that could be nothing else has no quotes.

    >>> exact("target"), exact("5"), exact(True), exact([1, 2])
    ('target', '"5"', 'true', '[1,2]')
    """
    if isinstance(value, str) and _clear(value):
        return value
    return json.dumps(value, separators=(",", ":"))


def _pairs(changes: Mapping[str, Any], equals: str) -> list[str]:
    return [f"{key}{equals}{exact(value)}" for key, value in changes.items()]


def _clear(value: Any) -> bool:
    """Tell whether a value's bare spelling could be no other value's nor hold a separator."""
    return not isinstance(value, str) or (
        value.isidentifier() and value not in ("null", "true", "false")
    )


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
