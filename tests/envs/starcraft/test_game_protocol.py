"""The stand-in's answers: statuses, errors, the field, units, respawn, making and killing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from game.maps import FIRST_CUSTOM, MAPS

protocol = pytest.importorskip("game.protocol", exc_type=ImportError)
api = protocol.api


def ask(game: Any, **wish: Any) -> Any:
    """Give the whole response to a request, all of whose fields must be one kind of answer."""
    response = game.answer(api.Request(id=7, **wish))
    assert response.id == 7
    assert response.HasField("status")
    assert response.error or response.WhichOneof("response") == next(iter(wish))
    return response


def create(name: str) -> Any:
    """Give the request to create a game on a map."""
    local = api.LocalMap(map_path=f"{name}.SC2Map", map_data=MAPS[name].to_bytes())
    return api.RequestCreateGame(local_map=local)


def playing(name: str) -> Any:
    """Give a game that has been joined."""
    game = protocol.Game()
    ask(game, create_game=create(name))
    ask(game, join_game=api.RequestJoinGame())
    return game


def units(game: Any) -> list[Any]:
    """Observe."""
    response = ask(game, observation=api.RequestObservation())
    return list(response.observation.observation.raw_data.units)


def step(game: Any, count: int) -> int:
    """Step; give the loop."""
    return int(ask(game, step=api.RequestStep(count=count)).step.simulation_loop)


def kill(game: Any, tags: list[int]) -> None:
    """Ask for units to be killed."""
    wish = api.RequestDebug()
    wish.debug.add().kill_unit.tag.extend(tags)
    ask(game, debug=wish)


def test_a_game_is_launched_created_joined_and_quit() -> None:
    game = protocol.Game()
    assert ask(game, ping=api.RequestPing()).status == api.launched
    assert ask(game, create_game=create("3m")).status == api.init_game
    assert ask(game, join_game=api.RequestJoinGame()).join_game.player_id == 1
    assert ask(game, ping=api.RequestPing()).status == api.in_game
    assert ask(game, quit=api.RequestQuit()).status == api.quit


def test_what_does_not_fit_the_status_is_an_error_and_changes_nothing() -> None:
    game = protocol.Game()
    response = ask(game, step=api.RequestStep(count=1))
    assert list(response.error) == ["step is not supported in status launched"]
    assert response.status == api.launched
    assert ask(game, join_game=api.RequestJoinGame()).error
    assert ask(playing("3m"), join_game=api.RequestJoinGame()).error


def test_an_unknown_request_is_an_error() -> None:
    assert "'query'" in ask(playing("3m"), query={}).error[0]


def test_an_unreadable_map_is_an_error_of_the_result_not_of_the_protocol() -> None:
    game = protocol.Game()
    local = api.LocalMap(map_path="x.SC2Map", map_data=b"MPQ")
    response = ask(game, create_game=api.RequestCreateGame(local_map=local))
    assert response.create_game.error == api.ResponseCreateGame.InvalidMapData
    assert response.create_game.error_details
    assert (response.status, list(response.error)) == (api.launched, [])


def test_the_field_has_a_rim_that_nobody_can_walk_on() -> None:
    raw = ask(playing("3m"), game_info=api.RequestGameInfo()).game_info.start_raw
    assert (raw.map_size.x, raw.map_size.y, raw.pathing_grid.bits_per_pixel) == (32, 32, 1)
    grid = np.unpackbits(np.frombuffer(raw.pathing_grid.data, np.uint8)).reshape(32, 32)
    assert grid[1:-1, 1:-1].all()
    assert grid.sum() == 30 * 30
    assert len(raw.terrain_height.data) == 32 * 32
    assert (raw.playable_area.p0.x, raw.playable_area.p1.x) == (0, 32)


def test_both_sides_are_seen_with_all_that_clients_read() -> None:
    seen = units(playing("2s_vs_1sc"))
    assert [(unit.unit_type, unit.owner, unit.alliance) for unit in seen] == [
        *((FIRST_CUSTOM, 1, 1), (FIRST_CUSTOM, 1, 1), (98, 2, 4))
    ]
    stalker, crawler = seen[0], seen[2]
    assert (stalker.health, stalker.health_max, stalker.shield, stalker.shield_max) == (80,) * 4
    assert (crawler.health_max, crawler.shield_max) == (300, 0)
    assert stalker.weapon_cooldown > 0
    assert stalker.pos.x < crawler.pos.x
    assert len({unit.tag for unit in seen}) == 3
    assert units(playing("MMM"))[9].energy == 50


def test_the_maps_own_unit_types_are_the_last_of_the_data() -> None:
    data = ask(playing("32x32_flat"), data=api.RequestData(unit_type_id=True)).data
    assert len(data.units) - 9 == FIRST_CUSTOM
    assert len({unit.unit_id for unit in data.units}) == len(data.units)


def test_time_passes_by_steps_alone() -> None:
    game = playing("3m")
    assert [step(game, 8), step(game, 1)] == [8, 9]
    observation = ask(game, observation=api.RequestObservation()).observation.observation
    assert observation.game_loop == 9


@pytest.mark.parametrize(("ability", "moves"), [(16, 2.0), (4, 0.0)])
def test_orders_reach_the_unit(ability: int, moves: float) -> None:
    game = playing("3m")
    before = units(game)[0]
    wish = api.RequestAction()
    command = wish.actions.add().action_raw.unit_command
    command.ability_id = ability
    command.target_world_space_pos.x = before.pos.x
    command.target_world_space_pos.y = before.pos.y - 2
    command.unit_tags.append(before.tag)
    assert list(ask(game, action=wish).action.result) == [1]
    step(game, 16)  # a marine does 2.25 in this time
    assert before.pos.y - units(game)[0].pos.y == pytest.approx(moves)


def test_an_unknown_ability_is_an_error() -> None:
    wish = api.RequestAction()
    wish.actions.add().action_raw.unit_command.ability_id = 999
    assert "999" in ask(playing("3m"), action=wish).error[0]


def test_an_attack_that_is_ordered_kills_and_the_dead_are_no_longer_seen() -> None:
    game = playing("2s_vs_1sc")
    crawler = units(game)[2]
    wish = api.RequestAction()
    for stalker in units(game)[:2]:
        command = wish.actions.add().action_raw.unit_command
        command.ability_id, command.target_unit_tag = 23, crawler.tag
        command.unit_tags.append(stalker.tag)
    ask(game, action=wish)
    hurt = []
    for _ in range(100):
        step(game, 8)
        hurt.append({unit.tag: unit.health for unit in units(game)})
    assert 0 < hurt[30][crawler.tag] < 300
    assert crawler.tag not in hurt[-1]
    assert hurt[-1], "the second stalker lives"


def test_after_all_were_killed_both_teams_come_again_but_not_within_two_loops() -> None:
    game = playing("3s5z")
    first = [unit.tag for unit in units(game)]
    kill(game, first)
    step(game, 2)
    assert [unit.owner for unit in units(game)] == [1] * 8  # the client waits for the others
    step(game, 1)
    assert [unit.owner for unit in units(game)] == [1] * 8 + [2] * 8
    assert not {unit.tag for unit in units(game)} & set(first)
    assert [unit.unit_type for unit in units(game)[:8]] == [2000] * 3 + [2001] * 5


def test_on_the_flat_map_the_client_makes_all_units_and_none_come_by_themselves() -> None:
    game = playing("32x32_flat")
    assert units(game) == []
    wish = api.RequestDebug()
    for unit_type, owner, x in ((FIRST_CUSTOM + 6, 1, 8.0), (74, 2, 24.0)):
        new = wish.debug.add().create_unit
        new.unit_type, new.owner, new.quantity = unit_type, owner, 1
        new.pos.x, new.pos.y = x, 16
    ask(game, debug=wish)
    assert units(game) == []  # until the next loop
    step(game, 1)
    made = [(unit.unit_type, unit.owner, unit.pos.x) for unit in units(game)]
    assert made == [(FIRST_CUSTOM + 6, 1, 8), (74, 2, 24)]
    kill(game, [unit.tag for unit in units(game)])
    step(game, 2)
    assert units(game) == []
    step(game, 20)
    assert units(game) == []


def test_drawing_is_accepted_and_a_replay_is_given() -> None:
    game = playing("3m")
    wish = api.RequestDebug()
    wish.debug.add().draw.lines.add()
    ask(game, debug=wish)
    step(game, 1)
    assert len(units(game)) == 6
    assert ask(game, save_replay=api.RequestSaveReplay()).save_replay.data
