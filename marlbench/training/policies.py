"""The policies that a run keeps beside its checkpoints: to play, not to go on from.

A policy's file holds the agent's state less its replay. Which are kept is part of the run's
position; files that no checkpoint names any more are removed when the next one is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marlbench.store import files
from marlbench.store.folder import POLICIES
from marlbench.store.kept import BEST, NEWEST, Kept, best, chosen
from marlbench.training import saved_state
from marlbench.training.checkpoint import BUFFERS, newest_agent
from marlbench.training.replay_segments import (
    Damaged,
    checksum,
    empty_buffers,
    put_buffers,
    sizes_of,
    take_buffers,
    verify,
)

if TYPE_CHECKING:
    from pathlib import Path

    from marlbench.plugin import Agent, ReplayBuffer
    from marlbench.store import Journal
    from marlbench.training.position import Position
    from marlbench.training.saved_state import Classes


class Policies:
    """Keeps what `run.keep_checkpoints` asks for."""

    def __init__(self, journal: Journal, keep: str) -> None:
        """Keep nothing yet; `keep` is the setting."""
        self.folder = journal.folder
        self._journal = journal
        self._keep = keep

    def consider(self, agent: Agent, now: Position, point: int, score: float) -> None:
        """Keep the policy of a point of the curve, if it is asked for, in `now.kept`.

        `score` is larger for a better policy.
        """
        if self._wanted(now.kept, point, score):
            others = () if self._keep == BEST else now.kept
            now.kept = (*others, self._write(agent, point, now.env_steps, score))

    def _wanted(self, kept: tuple[Kept, ...], point: int, score: float) -> bool:
        if self._keep == NEWEST:
            return False
        if self._keep == BEST:
            return not kept or score > best(kept).score
        every = int(self._keep.removeprefix("every="))
        return point // every > (kept[-1].point // every if kept else 0)

    def _write(self, agent: Agent, point: int, env_steps: int, score: float) -> Kept:
        self._journal.require_newest()
        buffers: dict[str, ReplayBuffer] = {}
        state = take_buffers(agent.state(), buffers)
        sizes = {name: sizes_of(buffer) for name, buffer in buffers.items()}
        path = files.own_folder(self.folder / POLICIES) / f"{point:09d}.policy"
        classes = {**saved_state.classes_in(state), **BUFFERS}
        with files.replacing(path) as file:
            saved_state.write(file, {"agent": state, "buffers": sizes}, classes)
        return Kept(point, env_steps, score, path.name, checksum(path))


def kept_state(folder: Path, policy: Kept, classes: Classes | None) -> dict[str, Any]:
    """Give an agent's state as it was kept, for the CPU, its replay empty; raises `Damaged`.

    `classes` are the dataclasses and NamedTuples that the learner's state holds.
    """
    path = folder / POLICIES / policy.file
    verify(path, policy.crc)
    try:
        with files.opened(path) as file:
            content = saved_state.read(file, {**(classes or {}), **BUFFERS}, "cpu")
    except ValueError as error:
        raise Damaged(f"{path.name}: {error}") from error
    state: dict[str, Any] = put_buffers(content["agent"], empty_buffers(content["buffers"]))
    return state


def state_of(folder: Path, of: str, classes: Classes | None = None) -> tuple[dict[str, Any], int]:
    """Give the agent's state of a run's `newest`, `best` or a kept point's policy; its env steps.

    For the CPU, and only to act. Raises `Damaged` for one that cannot be read, ValueError for one
    that is not kept.
    """
    policy = chosen(folder, of)
    if policy is None:
        return newest_agent(folder, classes)
    return kept_state(folder, policy, classes), policy.env_steps
