"""Parts of a grid for several machines: every one plans the whole and plays its own part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from marlbench.errors import UserError

__all__ = ["Shard", "dealt", "read_shard"]

AUTO = "auto"
ARRAY = "SLURM_ARRAY_TASK_"
"""What Slurm's variables that tell a task of an array job which one it is begin with."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """The n-th of so many parts."""

    number: int
    """From 1."""
    of: int

    def __str__(self) -> str:
        """Give it as one types it."""
        return f"{self.number}/{self.of}"


def read_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """Understand `K/N`, or `auto` inside a task of an array job; raises UserError."""
    if text == AUTO:
        return _of_array(environment)
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UserError(f"--shard {text}: write K/N, from 1/N to N/N, or auto in an array job")
    return Shard(int(number), int(of))


def _of_array(environment: Mapping[str, str]) -> Shard:
    """Give the shard that a task of an array job stands for, wherever the array begins."""
    try:
        task, first, last, step, count = (
            int(environment[ARRAY + name]) for name in ("ID", "MIN", "MAX", "STEP", "COUNT")
        )
    except (KeyError, ValueError) as error:
        raise UserError(
            f"--shard auto: this is no task of an array job ({ARRAY}ID and its like are not set): "
            "sbatch --array=1-N gives them, --shard K/N does without"
        ) from error
    if last - first != (count - 1) * step or (task - first) % step:
        raise UserError(
            f"--shard auto: the {count} tasks of this array job do not follow each other evenly: "
            "sbatch --array=1-N, or --shard K/N"
        )
    return Shard((task - first) // step + 1, count)


def dealt(items: Sequence[Item], of: int, kind: Callable[[Item], Any]) -> list[list[Item]]:
    """Deal items into so many parts that differ by one at most, of each kind as evenly as can be.

    Kinds, of which one may take far longer than another, are dealt one after another. Within a part
    the order stays.

    >>> dealt(["a0", "b0", "a1", "b1", "a2"], 2, lambda item: item[0])
    [['a0', 'b1', 'a2'], ['b0', 'a1']]
    """
    by_kind = sorted(range(len(items)), key=lambda place: kind(items[place]))  # a stable sort
    return [[items[place] for place in sorted(by_kind[part::of])] for part in range(of)]
