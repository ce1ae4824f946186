"""What a check says of each promise."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from marlbench.errors import RAISED_BY_PLUGINS, one_line

Check = Callable[[], str]
"""Gives a detail worth saying, or an empty string; raises `Unkept`, or anything, if it fails."""


@dataclass(frozen=True)
class Verdict:
    """Whether a plugin keeps one promise."""

    name: str
    passed: bool
    detail: str
    """What was seen, in one line; of a failure what was wrong."""
    seconds: float


class Unkept(Exception):  # noqa: N818 - a promise is
    """A promise is not kept."""


def insist(verdicts: Iterable[Verdict]) -> None:
    """Raise `AssertionError` naming every promise that is not kept: a plugin's own test.

    `insist(check_algorithm(algorithm))`
    """
    broken = [f"{each.name}: {each.detail}" for each in verdicts if not each.passed]
    assert not broken, "promises not kept:\n" + "\n".join(broken)


def require(kept: bool, sentence: str) -> None:
    """Raise `Unkept` with the sentence unless the promise is kept."""
    if not kept:
        raise Unkept(sentence)


def carry_out(checks: Mapping[str, Check], vital: Collection[str]) -> list[Verdict]:
    """Give a verdict per check; a vital one that fails is the last, the others stop nothing."""
    verdicts: list[Verdict] = []
    for name, check in checks.items():
        verdicts.append(_judged(name, check))
        if name in vital and not verdicts[-1].passed:
            break
    return verdicts


def _judged(name: str, check: Check) -> Verdict:
    began = time.monotonic()
    try:
        passed, detail = True, check()
    except Unkept as unkept:
        passed, detail = False, str(unkept)
    except RAISED_BY_PLUGINS as error:
        passed, detail = False, _describe(error)
    return Verdict(name, passed, detail, time.monotonic() - began)


def _describe(error: BaseException) -> str:
    """Give an error in one line and where it was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{one_line(error)} ({Path(frame.filename).name}:{frame.lineno})"
