"""Names of variants: readable where they can be, and never one name for two settings."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from marlbench import labels

VALUES: list[Any] = [
    *(1, 1.5, True, None, [], [1], [1, 2], {"N": 2}, "a", "null", "true", "1", "1,2", ""),
    *("a,y=1", "a]", "a, y=1", 'a"', "a-b", "ä", "long" * 30, "long" * 31),
]
CHANGES: list[dict[str, Any]] = [
    {},
    *({"x": value} for value in VALUES),
    *({"x": one, "y": two} for one, two in product(VALUES, repeat=2)),
]


def named(spell: Callable[[dict[str, Any]], str]) -> dict[str, dict[str, Any]]:
    """Give the changes by their names, of which no two are equal."""
    names = {spell(changes): changes for changes in CHANGES}
    assert len(names) == len(CHANGES)
    return names


def test_no_two_settings_of_an_algorithm_share_a_label() -> None:
    scalars = [each for each in CHANGES if [1] not in each.values()]  # a setting is 1 or [1]
    names = {labels.label("qmix", ["quick"], changes) for changes in scalars}
    assert len(names) == len(scalars)
    assert all(len(name) <= labels.LONGEST and not set(name) & set("/ '\"\\*?") for name in names)


def test_no_two_settings_of_a_suite_share_a_row_or_a_folder() -> None:
    assert "tiny [x=1, y=[1,2]]" in named(lambda changes: labels.row("tiny", changes))
    suffixes = named(labels.task_suffix)
    assert {"", "[x=1]", "[x=1,y=[1,2]]", "[x=a,y=null]"} < suffixes.keys()
    assert all(len(each) <= labels.LONGEST + 2 for each in suffixes)
    assert not set("".join(suffixes)) & set("/ '\"\\*?:{}")


@pytest.mark.parametrize(
    ("presets", "changes", "said"),
    [
        (["quick"], {}, "l is qmix by preset quick"),
        (["quick", "long"], {}, "l is qmix by presets quick, long"),
        ([], {"name": None, "text": "null"}, 'l is qmix with name = null, text = "null"'),
    ],
)
def test_a_label_in_words(presets: list[str], changes: dict[str, Any], said: str) -> None:
    assert labels.in_words("l", "qmix", presets, changes) == said
