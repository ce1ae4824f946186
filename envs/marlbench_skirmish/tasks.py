"""Unit types, the battles made of them, and what is gathered: the numbers of the suite."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UnitType:
    """What a unit can do; sixteenths of health and damage keep every sum exact."""

    health: int
    damage: int
    """Health that one shot takes."""
    reach: float
    """Weapon range, in map units."""
    period: int
    """Steps from one shot to the next."""
    speed: float
    """Map units per step."""


UNIT_TYPES = {
    "ranged": UnitType(health=45, damage=5, reach=5.0, period=2, speed=1.0),
    "melee": UnitType(health=75, damage=6, reach=2.0, period=2, speed=1.5),
    "heavy": UnitType(health=60, damage=14, reach=6.0, period=5, speed=0.75),
}


@dataclass(frozen=True)
class Task:
    """Who fights whom, where, and for how long."""

    allies: tuple[str, ...]
    """Unit types of the agents, in the agents' order."""
    enemies: tuple[str, ...]
    """Unit types of the scripted side."""
    size: float
    """Side of the square map, in map units."""
    limit: int
    """Episode limit in env steps."""
    strength: float = 0.9375
    """Share of its damage that a shot of the scripted side keeps, in sixteenths."""
    random: bool = False
    """Types and start positions are drawn anew in every episode, for both sides alike."""

    @property
    def types(self) -> tuple[str, ...]:
        """Unit types that can appear, in the order of their one-hot features."""
        present = set(UNIT_TYPES) if self.random else {*self.allies, *self.enemies}
        return tuple(name for name in UNIT_TYPES if name in present)


def ranged(allies: int, enemies: int, size: float, limit: int, strength: float) -> Task:
    """Give a task of ranged units alone."""
    return Task(("ranged",) * allies, ("ranged",) * enemies, size, limit, strength)


RANGED_MELEE = ("ranged",) * 3 + ("melee",) * 5
MIXED = ("ranged",) * 2 + ("melee",) * 2 + ("heavy",)

TASKS = {
    "3v3": ranged(3, 3, size=12.0, limit=50, strength=0.875),
    "2v2": ranged(2, 2, size=12.0, limit=50, strength=0.875),
    "5v5": ranged(5, 5, size=14.0, limit=60, strength=0.9375),
    "5v6": ranged(5, 6, size=14.0, limit=60, strength=0.8125),
    "8v8": ranged(8, 8, size=16.0, limit=80, strength=0.9375),
    "3r5m": Task(RANGED_MELEE, RANGED_MELEE, size=16.0, limit=80),
    "mixed": Task(MIXED, MIXED, size=14.0, limit=60),
    "rand_3v3": Task(MIXED[:3], MIXED[:3], size=14.0, limit=60, random=True),
    "rand_5v5": Task(MIXED, MIXED, size=16.0, limit=80, random=True),
}
"""Every battle; the default one first."""


@dataclass(frozen=True)
class Gathering:
    """Who gathers what, where, and for how long."""

    agents: int
    iron: int
    """Items that one agent takes by stepping on them."""
    gold: int
    """Items that two agents take together."""
    gold_worth: int
    """What a gold item counts, where an iron one counts 1."""
    side: int
    """Side of the square map, in cells."""
    limit: int
    """Episode limit in env steps."""


GATHERINGS = {
    "gather44": Gathering(agents=2, iron=4, gold=2, gold_worth=3, side=9, limit=40),
}
"""Every gathering task, all with pictures for observations."""
