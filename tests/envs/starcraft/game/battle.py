"""The state of a battle and its rules: units move, hit, heal and die, one game loop at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from game.kinds import Kind

SIZE = 32
"""Width and height of the field, all of it open but for a rim of one."""
PLAYER, SCRIPT = 1, 2
"""Owners: the client's side and the scripted one."""
CALM = 224
"""Loops without a hit after which a shield comes back."""
SHIELD_BACK = 0.09
"""What then comes back in a loop."""
HEALING, HEALING_COSTS, ENERGY_BACK, ENERGY_MOST = 0.56, 0.19, 0.035, 200.0
"""Of a medivac, in a loop."""
THINKS_EVERY = 8
"""Loops after which a scripted unit looks for the nearest enemy again."""
AIMS = 10
"""Loops that a new unit aims: clients wait for whole teams, so nobody may die where they appear."""


@dataclass(frozen=True)
class Order:
    """What a unit was told: go to a place, or hit or heal the unit of a tag."""

    verb: Literal["move", "attack", "heal"]
    x: float = 0.0
    y: float = 0.0
    tag: int = 0


@dataclass
class Unit:
    """One unit, alive as long as it is in `Battle.units`."""

    tag: int
    kind: Kind
    unit_type: int
    owner: int
    x: float
    y: float
    health: float = field(init=False)
    shield: float = field(init=False)
    energy: float = field(init=False)
    cooldown: int = AIMS
    unhurt: int = 0
    """Loops since it was hit."""
    order: Order | None = None

    def __post_init__(self) -> None:
        """Begin in full health."""
        self.health, self.shield = self.kind.health, self.kind.shield
        self.energy = self.kind.energy

    def distance(self, other: Unit) -> float:
        """Distance between two units."""
        return math.hypot(other.x - self.x, other.y - self.y)

    def walk(self, x: float, y: float) -> None:
        """Go a loop's way towards a place, within the field."""
        left = math.hypot(x - self.x, y - self.y)
        part = min(1.0, self.kind.speed / left) if left > 0 else 0.0
        self.x = min(max(self.x + part * (x - self.x), 1.0), SIZE - 1.0)
        self.y = min(max(self.y + part * (y - self.y), 1.0), SIZE - 1.0)

    def rest(self) -> None:
        """Let a loop's time pass over its weapon, shield and energy."""
        self.cooldown = max(0, self.cooldown - 1)
        self.unhurt += 1
        if self.unhurt > CALM:
            self.shield = min(self.kind.shield, self.shield + SHIELD_BACK)
        if self.kind.heals:
            self.energy = min(ENERGY_MOST, self.energy + ENERGY_BACK)

    def suffer(self, damage: float) -> None:
        """Lose shield first, then health."""
        absorbed = min(self.shield, damage)
        self.shield -= absorbed
        self.health -= damage - absorbed
        self.unhurt = 0


class Battle:
    """All that happens on the field."""

    def __init__(self, passive: bool = False) -> None:
        """Begin on an empty field; a passive script never does anything."""
        self.units: dict[int, Unit] = {}
        """By tag, oldest first."""
        self.loop = 0
        self.passive = passive
        self._made = 0

    def create(self, kind: Kind, unit_type: int, owner: int, x: float, y: float) -> Unit:
        """Put a new unit on the field."""
        tag = 0x100000001 + self._made * 0x40000  # as large as the game's, beyond 32 bits
        self._made += 1
        unit = Unit(tag, kind, unit_type, owner, x, y)
        unit.walk(x, y)  # to within the field
        self.units[tag] = unit
        return unit

    def kill(self, tags: Iterable[int]) -> None:
        """Take units off the field; tags of the dead are no mistake."""
        for tag in tags:
            self.units.pop(tag, None)

    def command(self, tags: Iterable[int], order: Order | None) -> None:
        """Tell living units of the client's side what to do; None: to stop."""
        for tag in tags:
            unit = self.units.get(tag)
            if unit is not None and unit.owner == PLAYER:
                unit.order = order

    def advance(self) -> None:
        """Play one game loop: all act at once, then the dead go."""
        self.loop += 1
        if not self.passive and self.loop % THINKS_EVERY == 0:
            self._think()
        hits = [hit for unit in list(self.units.values()) for hit in self._act(unit)]
        for target, damage in hits:
            target.suffer(damage)
        self.kill([unit.tag for unit in self.units.values() if unit.health <= 0])

    def enemies(self, unit: Unit) -> list[Unit]:
        """Give the living units of the other side."""
        return [other for other in self.units.values() if other.owner != unit.owner]

    def _think(self) -> None:
        """Send every scripted unit to the nearest enemy, and those that heal to the worst off."""
        for unit in self.units.values():
            if unit.owner == SCRIPT:
                unit.order = self._heal_order(unit) if unit.kind.heals else self._hunt_order(unit)

    def _hunt_order(self, unit: Unit) -> Order | None:
        nearest = min(self.enemies(unit), key=unit.distance, default=None)
        return Order("attack", tag=nearest.tag) if nearest else None

    def _heal_order(self, unit: Unit) -> Order | None:
        friends = [
            other
            for other in self.units.values()
            if other.owner == unit.owner and not other.kind.heals
        ]
        worst = min(friends, key=lambda other: other.health / other.kind.health, default=None)
        return Order("heal", tag=worst.tag) if worst else None

    def _act(self, unit: Unit) -> Iterator[tuple[Unit, float]]:
        """Let a unit follow its order; give what it hits and how hard."""
        unit.rest()
        order = unit.order
        if order is None:
            yield from self._guard(unit)
        elif order.verb == "move":
            unit.walk(order.x, order.y)
        elif (target := self.units.get(order.tag)) is None:
            unit.order = None
        elif unit.distance(target) > unit.kind.reach:
            unit.walk(target.x, target.y)
        elif order.verb == "heal":
            heal(unit, target)
        else:
            yield from self._hit(unit, target)

    def _guard(self, unit: Unit) -> Iterator[tuple[Unit, float]]:
        """Hit what comes near, as a unit does that was told to stop."""
        if unit.cooldown > 0 or (self.passive and unit.owner == SCRIPT):
            return
        nearest = min(self.enemies(unit), key=unit.distance, default=None)
        if nearest is not None and unit.distance(nearest) <= unit.kind.reach:
            yield from self._hit(unit, nearest)

    def _hit(self, unit: Unit, target: Unit) -> Iterator[tuple[Unit, float]]:
        if unit.cooldown > 0 or unit.kind.heals or target.owner == unit.owner:
            return
        unit.cooldown = unit.kind.cooldown
        yield target, unit.kind.damage
        for other in self.enemies(unit) if unit.kind.splash else ():
            if other is not target and other.distance(target) <= unit.kind.splash:
                yield other, unit.kind.damage
        if unit.kind.bursts:
            yield unit, unit.health + unit.shield


def heal(unit: Unit, target: Unit) -> None:
    """Give a friend some health for some energy."""
    hurt = target.health < target.kind.health
    if unit.kind.heals and hurt and unit.energy >= HEALING_COSTS and target.owner == unit.owner:
        unit.energy -= HEALING_COSTS
        target.health = min(target.kind.health, target.health + HEALING)
