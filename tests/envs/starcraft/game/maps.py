"""Maps of the stand-in: who begins on them, and the trigger that begins again.

A map file of the real game cannot be read here. The stand-in's own are JSON, made from the table
of this page, and what a map file says reaches the game with `create_game`, as in the real one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from game.battle import PLAYER, SCRIPT, SIZE, Battle
from game.kinds import KINDS, STOCK, Kind

FIRST_CUSTOM = 2000
"""Id of a map's first own unit type; the game's own ones are all below."""
TEAM_X = {PLAYER: 9.0, SCRIPT: 23.0}
"""Where the sides begin."""
ROWS = 8
"""Units that begin one above the other; further ones stand behind."""


@dataclass(frozen=True)
class Map:
    """What a map file says."""

    custom: tuple[str, ...]
    """Kinds for which the map has unit types of its own, ids in this order."""
    allies: Mapping[str, int]
    """Numbers of the client's units by kind; the trigger makes them anew when all are dead."""
    enemies: Mapping[str, int]

    def to_bytes(self) -> bytes:
        """Give the content of the map file."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Map:
        """Read a map file; a `ValueError` if it is none of ours."""
        try:
            content = json.loads(data)
            return cls(tuple(content["custom"]), content["allies"], content["enemies"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a map of the stand-in: {error}") from error

    @property
    def unit_types(self) -> int:
        """How many unit types the game has on this map."""
        return FIRST_CUSTOM + len(self.custom)

    def kind(self, unit_type: int) -> Kind | None:
        """Give the kind of an id, the map's own ones included."""
        own = unit_type - FIRST_CUSTOM
        if 0 <= own < len(self.custom):
            return KINDS[self.custom[own]]
        return STOCK.get(unit_type)

    def place(self, battle: Battle, owner: int) -> None:
        """Put a side's units where they begin."""
        team = self.allies if owner == PLAYER else self.enemies
        kinds = [KINDS[name] for name, number in team.items() for _ in range(number)]
        away = -1.0 if owner == PLAYER else 1.0
        for index, kind in enumerate(kinds):
            own = owner == PLAYER and kind.name in self.custom
            unit_type = FIRST_CUSTOM + self.custom.index(kind.name) if own else kind.stock
            column, row = divmod(index, ROWS)
            y = SIZE / 2 + row - (min(len(kinds), ROWS) - 1) / 2
            battle.create(kind, unit_type, owner, TEAM_X[owner] + away * column, y)


class Trigger:
    """The map's trigger: once nobody is left, one side comes, and the other a loop later."""

    def __init__(self, on: Map) -> None:
        """Belong to this map."""
        self.map = on
        self._due: list[int] = []

    def look(self, battle: Battle) -> None:
        """Be called after every game loop."""
        if self._due:
            self.map.place(battle, self._due.pop(0))
        elif not battle.units and self.map.allies:
            self._due = [PLAYER, SCRIPT]


SHORT = {"m": "marine", "s": "stalker", "z": "zealot", "c": "colossus", "h": "hydralisk"}
SHORT |= {"zg": "zergling", "b": "baneling", "sc": "spine_crawler", "M": "marauder", "v": "medivac"}


def _map(allies: str, enemies: str) -> Map:
    """Make a map of two teams, each written as `3s 5z`; the allies' kinds get ids in this order."""
    ours, theirs = _team(allies), _team(enemies)
    return Map(tuple(ours), ours, theirs)


def _team(text: str) -> dict[str, int]:
    """Read a team.

    >>> _team("3s 5z")
    {'stalker': 3, 'zealot': 5}
    """
    team = {}
    for part in text.split():
        letters = part.lstrip("0123456789")
        team[SHORT[letters]] = int(part.removesuffix(letters))
    return team


GENERATED = (
    *("baneling", "colossus", "hydralisk", "marauder", "marine", "medivac"),
    *("stalker", "zealot", "zergling"),
)
"""The own unit types of SMACv2's map, on which the client makes all units itself."""

MAPS = {
    "32x32_flat": Map(GENERATED, {}, {}),
    "3m": _map("3m", "3m"),
    "8m": _map("8m", "8m"),
    "25m": _map("25m", "25m"),
    "5m_vs_6m": _map("5m", "6m"),
    "8m_vs_9m": _map("8m", "9m"),
    "10m_vs_11m": _map("10m", "11m"),
    "27m_vs_30m": _map("27m", "30m"),
    "MMM": _map("2M 7m 1v", "2M 7m 1v"),
    "MMM2": _map("2M 7m 1v", "3M 8m 1v"),
    "2s3z": _map("2s 3z", "2s 3z"),
    "3s5z": _map("3s 5z", "3s 5z"),
    "3s5z_vs_3s6z": _map("3s 5z", "3s 6z"),
    "3s_vs_3z": _map("3s", "3z"),
    "3s_vs_4z": _map("3s", "4z"),
    "3s_vs_5z": _map("3s", "5z"),
    "1c3s5z": _map("1c 3s 5z", "1c 3s 5z"),
    "2m_vs_1z": _map("2m", "1z"),
    "corridor": _map("6z", "24zg"),
    "6h_vs_8z": _map("6h", "8z"),
    "2s_vs_1sc": _map("2s", "1sc"),
    "so_many_baneling": _map("7z", "32b"),
    "bane_vs_bane": _map("4b 20zg", "4b 20zg"),
    "2c_vs_64zg": _map("2c", "64zg"),
}
"""SMAC's 23 maps and SMACv2's one, by the name of their file."""
