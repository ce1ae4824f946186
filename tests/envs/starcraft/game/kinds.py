"""Kinds of units, as the game has them in outline; times are in game loops (22.4 a second)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What all units of a kind have in common."""

    name: str
    stock: int
    """The game's own id of the kind."""
    health: float
    shield: float
    speed: float
    """Distance per loop; 0 for a building."""
    reach: float
    """Distance from which it hits, or heals."""
    damage: float
    """Per hit; 0 for one that heals."""
    cooldown: int
    """Loops between hits."""
    splash: float = 0.0
    """Enemies so near the target are hit as well."""
    bursts: bool = False
    """Whether it dies of its own hit."""
    energy: float = 0.0
    """With which it begins to heal; none: it never does."""

    @property
    def heals(self) -> bool:
        """Whether it heals and never hits."""
        return self.energy > 0


KINDS = {
    kind.name: kind
    for kind in (
        Kind("baneling", 9, 30, 0, 0.156, 0.5, 16, 1, splash=2.2, bursts=True),
        Kind("colossus", 4, 200, 150, 0.141, 7, 20, 24, splash=1.2),
        Kind("hydralisk", 107, 90, 0, 0.141, 5, 12, 13),
        Kind("marauder", 51, 125, 0, 0.141, 6, 10, 24),
        Kind("marine", 48, 45, 0, 0.141, 5, 6, 14),
        Kind("medivac", 54, 150, 0, 0.156, 4, 0, 1, energy=50),
        Kind("spine_crawler", 98, 300, 0, 0.0, 7, 25, 41),
        Kind("stalker", 74, 80, 80, 0.185, 6, 13, 30),
        Kind("zealot", 73, 100, 50, 0.141, 1, 16, 19),
        Kind("zergling", 105, 35, 0, 0.185, 1, 5, 11),
    )
}
"""By name; the numbers are near the game's, nothing depends on their being its own."""

STOCK = {kind.stock: kind for kind in KINDS.values()}
"""By the game's own id."""
