"""The stand-in's battles: the rules by hand, maps and their trigger, wishes for faults."""

from __future__ import annotations

import pytest
from game.battle import AIMS, CALM, PLAYER, SCRIPT, SIZE, Battle, Order, Unit
from game.faults import Faults
from game.kinds import KINDS
from game.maps import FIRST_CUSTOM, MAPS, Map, Trigger


def put(battle: Battle, name: str, owner: int, x: float, y: float = 16.0) -> Unit:
    """Put a unit on the field that need not aim first."""
    unit = battle.create(KINDS[name], KINDS[name].stock, owner, x, y)
    unit.cooldown = 0
    return unit


def advance(battle: Battle, loops: int) -> None:
    for _ in range(loops):
        battle.advance()


def test_a_unit_walks_at_its_speed_and_stops_where_it_was_sent() -> None:
    battle = Battle()
    marine = put(battle, "marine", PLAYER, 10)
    battle.command([marine.tag], Order("move", 12, 16))
    advance(battle, 10)
    assert (marine.x, marine.y) == pytest.approx((10 + 10 * 0.141, 16))
    advance(battle, 10)
    assert (marine.x, marine.y) == pytest.approx((12, 16))


def test_nobody_leaves_the_field() -> None:
    battle = Battle()
    marine = put(battle, "marine", PLAYER, 1.2)
    battle.command([marine.tag], Order("move", -50, 16))
    advance(battle, 30)
    assert marine.x == 1
    assert put(battle, "marine", SCRIPT, SIZE, SIZE + 1).y == SIZE - 1


def test_the_scripts_units_do_not_obey_the_client() -> None:
    battle = Battle(passive=True)
    marine = put(battle, "marine", SCRIPT, 20)
    battle.command([marine.tag], Order("move", 10, 16))
    advance(battle, 5)
    assert marine.x == 20


def test_a_hit_comes_once_in_a_cooldown_and_only_within_reach() -> None:
    battle = Battle(passive=True)
    marine, zealot = put(battle, "marine", PLAYER, 10), put(battle, "zealot", SCRIPT, 16)
    battle.command([marine.tag], Order("attack", tag=zealot.tag))
    advance(battle, 7)
    assert zealot.shield == 50  # 0.987 of a distance of 6 were walked, the reach is 5
    advance(battle, 2)
    assert zealot.shield == 50 - 6
    advance(battle, KINDS["marine"].cooldown)
    assert zealot.shield == 50 - 12


def test_a_shield_goes_first_and_comes_back_when_calm() -> None:
    zealot = put(Battle(), "zealot", SCRIPT, 16)
    zealot.suffer(60)
    assert (zealot.shield, zealot.health) == (0, 90)
    for _ in range(CALM):
        zealot.rest()
    assert zealot.shield == 0
    zealot.rest()
    assert zealot.shield > 0
    assert zealot.health == 90


def test_the_dead_are_gone_and_whoever_was_after_them_stops() -> None:
    battle = Battle(passive=True)
    marine, prey = put(battle, "marine", PLAYER, 14), put(battle, "zergling", SCRIPT, 16)
    battle.command([marine.tag], Order("attack", tag=prey.tag))
    advance(battle, 1 + 5 * KINDS["marine"].cooldown)  # six hits of 6 against 35
    assert prey.tag not in battle.units
    advance(battle, 1)
    assert marine.order is None


def test_two_that_hit_at_once_both_die() -> None:
    battle = Battle()
    pair = put(battle, "zergling", PLAYER, 16), put(battle, "zergling", SCRIPT, 16.5)
    advance(battle, 8 * KINDS["zergling"].cooldown)
    assert not battle.units, pair


def test_a_unit_that_was_told_to_stop_hits_what_comes_near_and_stays() -> None:
    battle = Battle(passive=True)
    marine = put(battle, "marine", PLAYER, 12)
    near, far = put(battle, "zealot", SCRIPT, 16), put(battle, "zealot", SCRIPT, 20)
    battle.command([marine.tag], None)
    advance(battle, 3)
    assert (near.shield, far.shield, marine.x) == (44, 50, 12)


def test_the_script_goes_for_the_nearest() -> None:
    battle = Battle()
    near, far = put(battle, "medivac", PLAYER, 14), put(battle, "medivac", PLAYER, 8)
    zealot = put(battle, "zealot", SCRIPT, 20)
    advance(battle, 80)
    assert zealot.x < 16
    assert near.health < 150
    assert far.health == 150


def test_a_passive_script_does_nothing_at_all() -> None:
    battle = Battle(passive=True)
    marine, zealot = put(battle, "marine", PLAYER, 16.5), put(battle, "zealot", SCRIPT, 16)
    marine.cooldown = 1000
    advance(battle, 100)
    assert (marine.health, zealot.x) == (45, 16)


def test_splash_hits_those_beside_the_target_and_no_friend() -> None:
    battle = Battle(passive=True)
    colossus = put(battle, "colossus", PLAYER, 12)
    friend = put(battle, "marine", PLAYER, 16.2)
    friend.cooldown = 1000
    target, beside = put(battle, "zergling", SCRIPT, 16), put(battle, "zergling", SCRIPT, 17)
    away = put(battle, "zergling", SCRIPT, 18)
    battle.command([colossus.tag], Order("attack", tag=target.tag))
    advance(battle, 1)
    assert (target.health, beside.health, away.health, friend.health) == (15, 15, 35, 45)


def test_a_baneling_dies_of_its_hit() -> None:
    battle = Battle(passive=True)
    baneling, marine = put(battle, "baneling", PLAYER, 16), put(battle, "marine", SCRIPT, 16.4)
    advance(battle, 1)
    assert list(battle.units) == [marine.tag]
    assert marine.health == 45 - baneling.kind.damage


def test_a_medivac_heals_a_hurt_friend_for_energy() -> None:
    battle = Battle(passive=True)
    medivac, marine = put(battle, "medivac", PLAYER, 12), put(battle, "marine", PLAYER, 14)
    marine.suffer(10)
    battle.command([medivac.tag], Order("heal", tag=marine.tag))
    advance(battle, 5)
    assert marine.health == pytest.approx(35 + 5 * 0.56)
    assert medivac.energy < 50
    advance(battle, 50)
    assert marine.health == 45


def test_a_new_unit_aims_before_its_first_hit() -> None:
    battle = Battle()
    zealot = battle.create(KINDS["zealot"], 73, SCRIPT, 16, 16)
    marine = put(battle, "marine", PLAYER, 16.5)
    battle.command([marine.tag], Order("move", 16.5, 16))
    advance(battle, AIMS - 1)
    assert marine.health == 45
    advance(battle, 1)
    assert marine.health < 45
    assert zealot.cooldown > 0


def test_the_trigger_makes_start_units_anew_one_side_after_the_other_once_all_are_dead() -> None:
    battle, content = Battle(), MAPS["3s5z"]
    trigger = Trigger(content)

    def owners_after_a_loop() -> list[int]:
        battle.advance()
        trigger.look(battle)
        return [unit.owner for unit in battle.units.values()]

    content.place(battle, PLAYER)
    assert owners_after_a_loop() == [PLAYER] * 8
    old = set(battle.units)
    battle.kill(old)
    assert owners_after_a_loop() == []
    assert owners_after_a_loop() == [PLAYER] * 8
    assert owners_after_a_loop() == [PLAYER] * 8 + [SCRIPT] * 8
    assert owners_after_a_loop() == [PLAYER] * 8 + [SCRIPT] * 8
    assert not old & set(battle.units)


def test_allies_have_the_maps_own_ids_in_its_order_and_enemies_the_games() -> None:
    battle, content = Battle(), MAPS["MMM2"]
    for owner in (PLAYER, SCRIPT):
        content.place(battle, owner)
    ours = [unit.unit_type for unit in battle.units.values() if unit.owner == PLAYER]
    theirs = [unit.unit_type for unit in battle.units.values() if unit.owner == SCRIPT]
    assert ours == [FIRST_CUSTOM] * 2 + [FIRST_CUSTOM + 1] * 7 + [FIRST_CUSTOM + 2]
    assert theirs == [51] * 3 + [48] * 8 + [54]
    assert content.kind(FIRST_CUSTOM + 2) is content.kind(54) is KINDS["medivac"]
    assert content.kind(FIRST_CUSTOM + 3) is None


@pytest.mark.parametrize("name", MAPS)
def test_a_map_file_gives_back_its_map_and_everyone_has_a_place(name: str) -> None:
    content = Map.from_bytes(MAPS[name].to_bytes())
    assert content == MAPS[name]
    battle = Battle()
    for owner in (PLAYER, SCRIPT):
        content.place(battle, owner)
    places = {(unit.x, unit.y) for unit in battle.units.values()}
    assert len(places) == sum(content.allies.values()) + sum(content.enemies.values())


@pytest.mark.parametrize("data", [b"", b"MPQ\x1b", b"[]", b'{"custom": []}'])
def test_what_is_no_map_of_the_stand_in_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Map.from_bytes(data)


def test_a_fault_comes_at_its_moment_only() -> None:
    faults = Faults({"STANDIN_CRASH_AT": "step:2", "STANDIN_HANG_AT": "any:5"}, launch=0)
    names = ["step", "observation", "debug", "step", "step", "step"]
    assert [faults.verdict(name) for name in names] == [
        *("answer", "answer", "answer", "crash", "hang", "answer")
    ]


def test_the_chance_of_a_crash_is_drawn_from_the_seed_and_differs_between_launches() -> None:
    def crashes(seed: str, launch: int) -> list[int]:
        faults = Faults({"STANDIN_CRASH_CHANCE": "0.02", "STANDIN_SEED": seed}, launch)
        return [k for k in range(5000) if faults.verdict("step") == "crash"]

    assert crashes("3", 0) == crashes("3", 0)
    assert crashes("3", 0) != crashes("3", 1)
    assert crashes("3", 0) != crashes("4", 0)
    assert 50 < len(crashes("3", 0)) < 150  # 100 of 5000 expected, deviation 10: five of them


def test_later_launches_may_be_free_of_faults() -> None:
    wishes = {"STANDIN_CRASH_AT": "any:1", "STANDIN_DELAY_MS": "20", "STANDIN_FAULTY_LAUNCHES": "2"}
    assert [Faults(wishes, launch).delay for launch in range(3)] == [0.02, 0.02, 0]
    verdicts = [Faults(wishes, launch).verdict("ping") for launch in range(3)]
    assert verdicts == ["crash", "crash", "answer"]


def test_a_misspelt_wish_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no faults are named \['CRASH'\]"):
        Faults({"STANDIN_CRASH": "step:3"}, launch=0)
