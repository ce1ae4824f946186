"""Shards of a grid: what is asked for, and that parts are fair and lose nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marlbench.errors import UserError
from marlbench.grid.plan import Request, make_plan
from marlbench.grid.shards import Shard, dealt, read_shard
from marlbench.host import load_catalogue


def array(task: int, first: int, last: int, step: int, count: int) -> dict[str, str]:
    """What Slurm tells a task of an array job."""
    names = {"ID": task, "MIN": first, "MAX": last, "STEP": step, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in names.items()}


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("1/1", {}, (1, 1)),
        ("3/4", array(0, 0, 9, 1, 10), (3, 4)),  # by hand, whatever Slurm says
        ("auto", array(0, 0, 3, 1, 4), (1, 4)),
        ("auto", array(3, 0, 3, 1, 4), (4, 4)),
        ("auto", array(20, 10, 25, 5, 4), (3, 4)),
    ],
)
def test_a_shard_is_read(text: str, environment: dict[str, str], shard: tuple[int, int]) -> None:
    assert read_shard(text, environment) == Shard(*shard)


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ("0/4", {}, "from 1/N to N/N"),
        ("5/4", {}, "from 1/N to N/N"),
        ("2", {}, "write K/N"),
        ("-1/4", {}, "write K/N"),
        ("auto", {}, "no task of an array job"),
        ("auto", array(5, 1, 9, 1, 3), "do not follow each other"),  # --array=1,5,9
    ],
)
def test_what_is_no_shard_is_told(text: str, environment: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_shard(text, environment)


@pytest.mark.parametrize("of", [1, 2, 3, 7, 40])
def test_parts_are_even_in_number_and_in_every_kind(of: int) -> None:
    items = [(kind, number) for number in range(5) for kind in "abcd"]
    parts = dealt(items, of, lambda item: item[0])
    assert sorted(item for part in parts for item in part) == sorted(items)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for kind in "abcd":
        of_kind = [sum(item[0] == kind for item in part) for part in parts]
        assert max(of_kind) - min(of_kind) <= 1
    assert all(part == sorted(part, key=items.index) for part in parts)


def test_the_shards_of_a_grid_are_the_grid() -> None:
    whole = Request(["qmix", "vdn"], "probe", ["all"], range(3), ["smoke"])
    catalogue = load_catalogue()
    specs = make_plan(catalogue, whole).specs
    shards = [make_plan(catalogue, sharded(whole, Shard(k + 1, 4))) for k in range(4)]
    assert {plan.of_runs for plan in shards} == {len(specs)}
    names = [(s.label, s.task, s.seed) for plan in shards for s in plan.specs]
    assert sorted(names) == sorted((s.label, s.task, s.seed) for s in specs)


def sharded(request: Request, shard: Shard) -> Request:
    """A part of what is asked for."""
    return replace(request, shard=shard)
