"""Requests of StarCraft II's API, answered: statuses, the field's outline, units, orders, debug."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from game.battle import PLAYER, SIZE, Battle, Order, Unit
from game.maps import Map, Trigger
from game.messages import sc2api_pb2 as api

MOVE, ATTACK, HEAL, STOP = 16, 23, 386, 4
"""Abilities that a client orders."""

NEEDS = {
    "create_game": {api.launched, api.in_game, api.ended},
    "join_game": {api.init_game},
    "ping": {api.launched, api.init_game, api.in_game, api.ended},
}
"""Statuses in which a request is taken; all others are taken in a game alone."""


class Refused(Exception):  # noqa: N818 - names what the game does
    """The game answers with an error, its status as it was."""


class Game:
    """One game process: its status, its battle, and an answer to every request."""

    def __init__(self, passive: bool = False) -> None:
        """Be launched, without a game; a passive script never does anything."""
        self.status: int = api.launched
        self.passive = passive
        self._map: Map | None = None
        self._battle = Battle()
        self._trigger: Trigger | None = None
        self._debug: list[Any] = []
        """Debug commands, which the game carries out in its next loop."""
        self._answers: dict[str, Callable[[Any, Any], None]] = {
            "ping": self._ping,
            "create_game": self._create_game,
            "join_game": self._join_game,
            "game_info": self._game_info,
            "observation": self._observation,
            "data": self._data,
            "action": self._action,
            "step": self._step,
            "debug": self._take_debug,
            "save_replay": self._save_replay,
            "quit": self._quit,
        }

    def answer(self, request: Any) -> Any:
        """Give the response to a request, with its id, the status and the errors."""
        name = request.WhichOneof("request") or "empty"
        response = api.Response(id=request.id)
        try:
            if name not in self._answers:
                raise Refused(f"the stand-in does not know the request {name!r}")
            if name != "quit" and self.status not in NEEDS.get(name, {api.in_game}):
                raise Refused(f"{name} is not supported in status {api.Status.Name(self.status)}")
            getattr(response, name).SetInParent()
            self._answers[name](getattr(request, name), getattr(response, name))
        except Refused as refusal:
            response = api.Response(id=request.id, error=[str(refusal)])
        response.status = self.status
        return response

    def _ping(self, _: Any, pong: Any) -> None:
        pong.game_version = "4.10.0"
        pong.base_build = 75689

    def _create_game(self, wish: Any, result: Any) -> None:
        """Read the map that came along; one that cannot be read is an error of the result."""
        try:
            self._map = Map.from_bytes(wish.local_map.map_data)
        except ValueError as error:
            result.error = api.ResponseCreateGame.InvalidMapData
            result.error_details = str(error)
            return
        self.status = api.init_game

    def _join_game(self, _: Any, result: Any) -> None:
        assert self._map is not None, "a game is initialised with its map"
        self._battle, self._trigger = Battle(self.passive), Trigger(self._map)
        self._debug = []
        for owner in (PLAYER, 3 - PLAYER):
            self._map.place(self._battle, owner)
        result.player_id = PLAYER
        self.status = api.in_game

    def _game_info(self, _: Any, info: Any) -> None:
        """Tell the field's outline: a rim that nobody can walk on, and flat ground."""
        raw = info.start_raw
        raw.map_size.x = raw.map_size.y = SIZE
        raw.playable_area.p1.x = raw.playable_area.p1.y = SIZE
        raw.pathing_grid.size.x = raw.pathing_grid.size.y = SIZE
        raw.pathing_grid.bits_per_pixel = 1
        inner = bytes([0b01111111] + [0xFF] * (SIZE // 8 - 2) + [0b11111110])
        raw.pathing_grid.data = bytes(SIZE // 8) + inner * (SIZE - 2) + bytes(SIZE // 8)
        raw.terrain_height.size.x = raw.terrain_height.size.y = SIZE
        raw.terrain_height.bits_per_pixel = 8
        raw.terrain_height.data = bytes([127]) * SIZE * SIZE

    def _observation(self, _: Any, result: Any) -> None:
        result.observation.game_loop = self._battle.loop
        for unit in self._battle.units.values():
            describe(unit, result.observation.raw_data.units.add())

    def _data(self, _: Any, result: Any) -> None:
        """Tell the unit types; clients count them."""
        assert self._map is not None, "in a game there is a map"
        for unit_type in range(self._map.unit_types):
            result.units.add(unit_id=unit_type)

    def _action(self, wish: Any, result: Any) -> None:
        for action in wish.actions:
            command = action.action_raw.unit_command
            self._battle.command(command.unit_tags, order_of(command))
            result.result.append(1)  # Success

    def _step(self, wish: Any, result: Any) -> None:
        assert self._trigger is not None, "in a game there is a trigger"
        for _ in range(wish.count):
            self._carry_out_debug()
            self._battle.advance()
            self._trigger.look(self._battle)
        result.simulation_loop = self._battle.loop

    def _take_debug(self, wish: Any, _: Any) -> None:
        self._debug += wish.debug

    def _carry_out_debug(self) -> None:
        assert self._map is not None, "in a game there is a map"
        for command in self._debug:
            self._battle.kill(command.kill_unit.tag)
            new = command.create_unit
            if kind := self._map.kind(new.unit_type):
                for _ in range(new.quantity):
                    self._battle.create(kind, new.unit_type, new.owner, new.pos.x, new.pos.y)
        self._debug = []

    def _save_replay(self, _: Any, result: Any) -> None:
        result.data = b"the stand-in keeps no replay"

    def _quit(self, _: Any, __: Any) -> None:
        self.status = api.quit


def order_of(command: Any) -> Order | None:
    """Read what a unit is told; None: to stop."""
    if command.ability_id == MOVE:
        return Order("move", command.target_world_space_pos.x, command.target_world_space_pos.y)
    if command.ability_id == ATTACK:
        return Order("attack", tag=command.target_unit_tag)
    if command.ability_id == HEAL:
        return Order("heal", tag=command.target_unit_tag)
    if command.ability_id == STOP:
        return None
    raise Refused(f"the stand-in does not know the ability {command.ability_id}")


def describe(unit: Unit, to: Any) -> None:
    """Write what a client sees of a unit."""
    to.tag, to.unit_type, to.owner = unit.tag, unit.unit_type, unit.owner
    to.alliance = 1 if unit.owner == PLAYER else 4  # Self, Enemy
    to.pos.x, to.pos.y, to.pos.z = unit.x, unit.y, 8.0
    to.health, to.health_max = unit.health, unit.kind.health
    if unit.kind.shield:
        to.shield, to.shield_max = unit.shield, unit.kind.shield
    if unit.kind.heals:
        to.energy, to.energy_max = unit.energy, 200.0
    to.weapon_cooldown = unit.cooldown
