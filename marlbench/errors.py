"""What a user or a plugin can get wrong: errors that are one line and name the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["SpecViolation", "UserError", "did_you_mean", "nearest", "one_line"]


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
    """Give an exception as one line: its type and its text, line breaks taken out."""
    return ": ".join(filter(None, [type(error).__name__, " ".join(str(error).split())]))
