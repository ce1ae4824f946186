"""Faults on request, by environment variables that the client's process hands down.

STANDIN_CRASH_AT         `step:30`: be gone as the 30th step request of a process arrives, or
                         `any:120` as the 120th request of whatever name does
STANDIN_HANG_AT          the same, but never answer again, nor heed SIGTERM
STANDIN_IGNORE_AT        the same, but answer this one without doing it
STANDIN_CRASH_CHANCE     be gone at each request with this probability
STANDIN_SEED             of that chance; every launch draws otherwise
STANDIN_DELAY_MS         answer every request so late
STANDIN_FAULTY_LAUNCHES  how many launches have these faults, counted per installation; all
STANDIN_PASSIVE          1: the scripted side never does anything
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PREFIX = "STANDIN_"
KNOWN = (
    *("CRASH_AT", "HANG_AT", "IGNORE_AT", "CRASH_CHANCE", "SEED", "DELAY_MS"),
    *("FAULTY_LAUNCHES", "PASSIVE"),
)

Verdict = Literal["answer", "crash", "hang", "ignore"]


@dataclass(frozen=True)
class Moment:
    """The so-manieth request of a name, `any` for all."""

    name: str
    number: int

    @classmethod
    def read(cls, text: str) -> Moment:
        """Read a moment.

        >>> Moment.read("step:30")
        Moment(name='step', number=30)
        """
        name, _, number = text.partition(":")
        return cls(name, int(number))


class Faults:
    """What goes wrong in one process of the game."""

    def __init__(self, environ: Mapping[str, str], launch: int) -> None:
        """Read the wishes, for the so-manieth launch (from 0); a misspelt wish is an error."""
        said = {key.removeprefix(PREFIX): v for key, v in environ.items() if key.startswith(PREFIX)}
        if unknown := said.keys() - set(KNOWN):
            raise ValueError(f"no faults are named {sorted(unknown)}; there are {KNOWN}")
        self.passive = said.get("PASSIVE", "0") != "0"
        faulty = launch < int(said.get("FAULTY_LAUNCHES", launch + 1))
        wishes = said if faulty else {}
        self.delay = float(wishes.get("DELAY_MS", 0)) / 1000
        """Seconds."""
        self._chance = float(wishes.get("CRASH_CHANCE", 0))
        self._random = random.Random(f"{said.get('SEED', '0')}/{launch}")
        verdicts: tuple[Verdict, ...] = ("crash", "hang", "ignore")
        self._moments: dict[Moment, Verdict] = {
            Moment.read(wishes[key]): verdict
            for verdict in verdicts
            if (key := f"{verdict.upper()}_AT") in wishes
        }
        self._seen: Counter[str] = Counter()

    def verdict(self, name: str) -> Verdict:
        """Say what to do with the next request, which has this name."""
        self._seen.update((name, "any"))
        for now in (Moment(name, self._seen[name]), Moment("any", self._seen["any"])):
            if now in self._moments:
                return self._moments[now]
        return "crash" if self._random.random() < self._chance else "answer"
