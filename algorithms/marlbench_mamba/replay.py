"""The replay: steps of all episodes in one chain, out of which windows are cut anywhere.

A row is a step: what was seen and done there, what it earned, whether it was the end. Behind a true
end stand two absorbing rows (nothing seen, a random action, no reward); a window may span
episodes, and `last` says where one ends.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import EnvSpec, ReplayBuffer, Step
from marlbench.toolbox.memory_budget import step_fields

ABSORBING = 2
"""Rows that follow a true end [code: agent/workers/DreamerWorker.py]."""

Rows = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Batch:
    """Windows of T + 1 rows as T transitions: what led here, and what was then seen."""

    obs: Tensor
    """(T, B, A, *O) after the action."""
    avail: Tensor
    """(T, B, A, U) bool, after the action."""
    real: Tensor
    """(T, B): 0 where obs is an absorbing row's."""
    last: Tensor
    """(T, B): 1 where obs is an episode's last row's."""
    action: Tensor
    """(T, B, A) int64, that led to obs."""
    reward: Tensor
    """(T, B, A) of that action."""
    cont: Tensor
    """(T, B): 0 where that action ended the episode."""

    @classmethod
    def of(cls, rows: Mapping[str, NDArray[Any]]) -> Batch:
        """Take windows (T + 1, B, ...): the rows' own last one row later than what they led to."""
        before = {name: rows[name][:-1] for name in ("action", "reward", "done")}
        after = {name: torch.from_numpy(rows[name][1:]) for name in ("obs", "avail")}
        flags = {name: torch.from_numpy(rows[name][1:]).float() for name in ("fake", "last")}
        return cls(
            **after,
            real=1 - flags["fake"],
            last=flags["last"],
            action=torch.from_numpy(before["action"]).long(),
            reward=torch.from_numpy(before["reward"]),
            cont=1 - torch.from_numpy(before["done"]).float(),
        )

    def to(self, device: str) -> Batch:
        """The same batch on a device."""
        return Batch(*(getattr(self, field.name).to(device) for field in dataclasses.fields(self)))


def fields(spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], str]]:
    """What a row holds, as (shape, dtype)."""
    return step_fields(spec) | dict.fromkeys(("done", "fake", "last"), ((), "bool"))


class ChainedReplay:
    """The newest `capacity` rows; episodes enter whole, in the order in which they end."""

    def __init__(self, spec: EnvSpec, capacity: int, timeouts_end: bool) -> None:
        """Reserve the ring; memory is taken as rows come."""
        self.spec, self.capacity, self.timeouts_end = spec, capacity, timeouts_end
        self.ring: Rows = {
            name: np.zeros((capacity, *shape), dtype)
            for name, (shape, dtype) in fields(spec).items()
        }
        self.written = 0
        self.playing: list[list[Rows]] = []  # per copy the rows of its unfinished episode

    def __len__(self) -> int:
        """Rows that can be drawn."""
        return min(self.written, self.capacity)

    def observe(
        self, step: Step, actions: NDArray[np.int64], rng: np.random.Generator
    ) -> list[int]:
        """Take a step (E, ...) and the actions (E, A) taken there; give the lengths that ended."""
        if len(self.playing) != len(step.first):
            self.playing = [[] for _ in step.first]
        crashed = step.info.get("crashed", np.zeros_like(step.first))
        ended = []
        for e, episode in enumerate(self.playing):
            if step.first[e]:
                episode.clear()
            if episode:
                episode[-1]["reward"] = step.reward[e].copy()
            if not step.last[e]:
                seen = {"obs": step.obs[e], "avail": step.avail[e], "action": actions[e]}
                episode.append({name: array.copy() for name, array in seen.items()})
            elif whole := episode[:-1] if crashed[e] else episode:  # nobody saw what a crash led to
                ends = bool(step.terminal[e])
                done = ends or (self.timeouts_end and not crashed[e])
                self.extend(self.closed(whole, done, ends, rng))
                ended.append(len(whole))
        return ended

    def closed(
        self, episode: list[Rows], done: bool, absorbs: bool, rng: np.random.Generator
    ) -> Rows:
        """Give an ended episode's rows (T, ...), with its flags and its absorbing rows."""
        real, count = len(episode), len(episode) + ABSORBING * absorbs
        rows = {
            name: np.zeros((count, *shape), dtype)
            for name, (shape, dtype) in fields(self.spec).items()
        }
        for name in ("obs", "avail", "action", "reward"):
            rows[name][:real] = np.stack([row[name] for row in episode])
        if absorbs:
            rows["avail"][real:] = True
            rows["action"][real:] = rng.integers(self.spec.num_actions, size=self.spec.num_agents)
        rows["fake"][real:] = True
        rows["done"][real - 1 :] = done
        rows["last"][-1] = True
        return rows

    def extend(self, rows: Mapping[str, NDArray[Any]]) -> None:
        """Write rows (T, ...) behind the newest."""
        count = len(rows["last"])
        places = (self.written + np.arange(count)) % self.capacity
        for name, array in self.ring.items():
            array[places] = rows[name]
        self.written += count

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Rows:
        """Windows (length, B, ...) that begin at any row with enough rows behind it."""
        oldest = self.written - len(self)
        return self.windows(rng.integers(oldest, self.written - length + 1, batch), length)

    def windows(self, start: NDArray[np.int64], length: int) -> Rows:
        """The windows that begin at these rows (B,), counted from the first ever written."""
        places = (np.arange(length)[:, None] + start) % self.capacity  # (T, B)
        return {name: array[places] for name, array in self.ring.items()}

    def state_dict(self) -> dict[str, Any]:
        """Give the ring, which is not copied, and the episodes that are being played."""
        return {"ring": ReplayBuffer(self.ring, self.written), "playing": self.playing}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Go on from what `state_dict` gave."""
        ring: ReplayBuffer = state["ring"]
        self.written = ring.written
        for name, array in self.ring.items():
            array[: len(self)] = ring.arrays[name][: len(self)]
        self.playing = [[dict(row) for row in episode] for episode in state["playing"]]
