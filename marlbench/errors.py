"""What a user or a plugin can get wrong: errors that are one line and name the remedy."""

import textwrap
from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError

__all__ = [
    "RAISED_BY_PLUGINS",
    "SpecViolation",
    "UserError",
    "did_you_mean",
    "nearest",
    "one_line",
    "text_of",
    "wrong_setting",
]

LONGEST = 400
"""Characters of an error's text that one line keeps: some libraries write pages."""


RAISED_BY_PLUGINS: tuple[type[BaseException], ...] = (Exception, SystemExit)
"""What the code of others may raise: anything, and some end the process that they are in."""


class UserError(Exception):
    """A mistake of the user's: the command line prints its text and exits with 2."""


class SpecViolation(ValueError):  # noqa: N818 - names what a plugin did
    """A plugin broke the contract of `marlbench.plugin`: no crash, and the run fails at once.

    A suite raises it itself of what it wraps, with what is wrong in one line.
    """


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word nearest to this one, or None if none is near.

    >>> nearest("qmixx", ["dmawm", "qmix"])
    'qmix'
    """
    near = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return near[0] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give `; did you mean 'x'?` for the nearest known word, or nothing.

    >>> did_you_mean("qmixx", ["dmawm", "qmix"])
    "; did you mean 'qmix'?"
    """
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""


def one_line(error: BaseException) -> str:
    """Give an exception as one line: its type and its text, or the first wrong setting.

    >>> one_line(ValueError("no such map"))
    'ValueError: no such map'
    """
    text = textwrap.shorten(text_of(error), LONGEST, placeholder=" ...")
    return ": ".join(filter(None, [type(error).__name__, text]))


def text_of(error: BaseException) -> str:
    """Give an exception's text, or the first wrong setting."""
    return wrong_setting(error) if isinstance(error, ValidationError) else str(error)


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
