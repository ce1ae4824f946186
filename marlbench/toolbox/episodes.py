"""Whole episodes of value learners: kept in a ring, drawn without padding, laid out as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import EnvSpec, ReplayBuffer, Step
from marlbench.toolbox.memory_budget import row_bytes
from marlbench.toolbox.returns import td_lambda_targets

__all__ = ["Batch", "EpisodeReplay", "Episodes", "capacity", "episode_fields", "lay_out", "record"]

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Episodes:
    """A draw of B episodes, packed time-major, longest first: no row of it is padding.

    First come all row 0s, then the row 1s of the episodes that have one, and so on. An episode
    of `length` steps has `length + 1` rows; the row after a step holds what the step led to.
    So the rows from B on are the steps' outcomes, in the order of the steps.
    """

    rows: Mapping[str, NDArray[Any]]
    """Each (N, ...)."""
    sizes: list[int]
    """(T + 1,) rows that each time has; the first is B."""
    length: NDArray[np.int64]
    """(B,) steps of each episode, falling."""
    terminal: NDArray[np.bool_]
    """(B,) whether the end is real, not a cut."""
    time: NDArray[np.int64]
    """(N,) each row's time."""
    episode: NDArray[np.int64]
    """(N,) each row's episode."""


class EpisodeReplay:
    """The newest `capacity` episodes; each is a row of the ring, padded to the episode limit.

    What stands behind an episode's last row is left over from older ones and never read.
    """

    def __init__(
        self, fields: Mapping[str, tuple[tuple[int, ...], str]], limit: int, capacity: int
    ) -> None:
        """Reserve a ring for fields of these (shape, dtype); memory is taken as episodes come."""
        self.fields, self.limit, self.capacity = dict(fields), limit, capacity
        self.ring: Arrays = self.allocate(capacity)
        self.ring["length"] = np.zeros(capacity, np.int32)
        self.ring["terminal"] = np.zeros(capacity, np.bool_)
        self.written = 0
        self.playing: Arrays = {}  # (E, T + 1, ...): the unfinished episode of each copy
        self.time = np.zeros(0, np.int64)  # (E,): the row that each copy is at

    def allocate(self, count: int) -> Arrays:
        """Give zeroed arrays (count, T + 1, ...) for that many episodes."""
        return {
            name: np.zeros((count, self.limit + 1, *shape), dtype)
            for name, (shape, dtype) in self.fields.items()
        }

    @property
    def size(self) -> int:
        """Episodes that can be drawn."""
        return min(self.written, self.capacity)

    def append(
        self, rows: Mapping[str, NDArray[Any]], first: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Take one row (E, ...) per copy; give the times (E,) at which they stand now."""
        if len(first) != len(self.time):
            self.playing, self.time = self.allocate(len(first)), np.zeros(len(first), np.int64)
        self.time = np.where(first, 0, self.time + 1)
        longest = int(self.time.max())
        assert longest <= self.limit, f"an episode of {longest} steps; the limit is {self.limit}"
        copies = np.arange(len(first))
        for name, values in rows.items():
            self.playing[name][copies, self.time] = values
        return self.time

    def finish(self, copy: int, length: int, terminal: bool) -> None:
        """Move the first `length` steps that this copy has played into the ring, if any."""
        if not length:
            return
        row = self.written % self.capacity
        for name in self.fields:
            self.ring[name][row, : length + 1] = self.playing[name][copy, : length + 1]
        self.ring["length"][row], self.ring["terminal"][row] = length, terminal
        self.written += 1

    def sample(self, generator: np.random.Generator, count: int) -> Episodes:
        """Draw `count` different episodes, all equally likely."""
        return self.packed(generator.choice(self.size, count, replace=False))

    def packed(self, chosen: NDArray[np.int64]) -> Episodes:
        """Give the episodes at these places (B,) of the ring."""
        length = self.ring["length"][chosen].astype(np.int64)
        order = np.argsort(-length, kind="stable")
        chosen, length = chosen[order], length[order]
        present = np.arange(length[0] + 1)[:, None] <= length  # (T + 1, B)
        time, episode = present.nonzero()  # (N,) each, time-major
        places = chosen[episode] * (self.limit + 1) + time
        rows = {
            name: self.ring[name].reshape(-1, *shape).take(places, 0)
            for name, (shape, _) in self.fields.items()
        }
        sizes = present.sum(1).tolist()
        return Episodes(rows, sizes, length, self.ring["terminal"][chosen], time, episode)

    def state_dict(self) -> dict[str, Any]:
        """Give the ring, which is not copied, and the episodes that are being played."""
        seen = slice(0, int(self.time.max(initial=-1)) + 1)  # what is behind, nobody has written
        playing = {name: array[:, seen].copy() for name, array in self.playing.items()}
        ring = ReplayBuffer(self.ring, self.written)
        return {"ring": ring, "playing": playing, "time": self.time}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Go on from what `state_dict` gave."""
        ring: ReplayBuffer = state["ring"]
        self.written = ring.written
        for name, array in self.ring.items():
            array[: self.size] = ring.arrays[name][: self.size]
        self.time = state["time"]
        self.playing = self.allocate(len(self.time)) if len(self.time) else {}
        for name, array in state["playing"].items():
            self.playing[name][:, : array.shape[1]] = array


@dataclass(frozen=True)
class Batch:
    """Packed episodes (see `Episodes`) as tensors: N rows, M steps, padded to T x B for targets."""

    obs: Tensor
    """(N, A, *O)."""
    state: Tensor | None
    """(N, S) or (N, A, S), where the task has one; `seen_state` gives what mixers see of it."""
    avail: Tensor
    """(N, A, U)."""
    action: Tensor
    """(N, A) taken after each row; means nothing after an episode's last row."""
    last_action: Tensor
    """(N, A) taken before; U: none."""
    reward: Tensor
    """(T, B, 1) of each step."""
    discount: Tensor
    """(T, B, 1) gamma, 0 where the step's end is real."""
    valid: Tensor
    """(T, B, 1) whether the step is real, not padding."""
    steps: Tensor
    """(M,) rows from which a step was taken; its outcome is row B and on, in order."""
    places: Tensor
    """(M,) where each step is among the T B padded ones."""
    sizes: list[int]
    """Rows of each time; the first is B."""

    def targets(self, next_value: Tensor, lambda_: float) -> Tensor:
        """Give TD(lambda) targets (M, D) of the steps, from the values (M, D) of their outcomes."""
        padded = next_value.new_zeros(self.valid.numel(), next_value.shape[-1])  # (T B, D)
        padded[self.places] = next_value
        next_value = padded.view(*self.valid.shape[:2], -1)  # (T, B, D)
        targets = td_lambda_targets(self.reward, self.discount, next_value, self.valid, lambda_)
        return targets.flatten(0, 1)[self.places]

    def seen_state(self, embedding: Tensor) -> Tensor:
        """Give a mixer's states (N, S): the task's, or else what all agents see, detached.

        Where each agent has its own state they stand in a row.
        """
        return embedding.detach().flatten(1) if self.state is None else self.state.flatten(1)


def lay_out(episodes: Episodes, gamma: float, none: int, device: torch.device) -> Batch:
    """Lay drawn episodes out for a learner; `none` is the number of no action yet."""
    rows, length, first = episodes.rows, episodes.length, episodes.sizes[0]
    steps = (episodes.time < length[episodes.episode]).nonzero()[0]  # (M,)
    places = episodes.time[steps] * first + episodes.episode[steps]  # (M,)
    action = rows["action"].astype(np.int64)  # (N, A)
    last_action = np.full_like(action, none)
    last_action[first:] = action[steps]
    valid = np.arange(length[0])[:, None] < length  # (T, B)
    reward = np.zeros(valid.shape, np.float32)
    reward.ravel()[places] = rows["reward"][first:]
    discount = np.full(valid.shape, gamma, np.float32)
    discount[length - 1, np.arange(first)] *= ~episodes.terminal
    arrays = {
        "obs": rows["obs"],
        "avail": rows["avail"],
        "action": action,
        "last_action": last_action,
        "reward": reward[..., None],
        "discount": discount[..., None],
        "valid": valid[..., None],
        "steps": steps,
        "places": places,
    }
    tensors = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    state = torch.from_numpy(rows["state"]).to(device) if "state" in rows else None
    return Batch(state=state, sizes=episodes.sizes, **tensors)


def record(replay: EpisodeReplay, spec: EnvSpec, step: Step, actions: NDArray[np.int64]) -> int:
    """Add a row to each copy's episode, a finished one to the replay; give the env steps seen.

    The step into a crash was never answered: its episode is cut before it.
    """
    crashed = np.asarray(step.info.get("crashed", np.zeros_like(step.last)))  # (E,)
    reward = step.reward.sum(-1) if spec.reward == "individual" else step.reward[:, 0]
    rows = {"obs": step.obs, "avail": step.avail, "action": actions, "reward": reward}
    if step.state is not None:
        rows["state"] = step.state
    time = replay.append(rows, step.first)  # (E,)
    for copy in step.last.nonzero()[0]:
        length = int(time[copy]) - int(crashed[copy])
        replay.finish(copy, length, bool(step.terminal[copy]))
    return int((~step.first & ~crashed).sum())


def episode_fields(spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], str]]:
    """Give shape and type of what the replay holds for every row."""
    agents = spec.num_agents
    state = {"state": (spec.state_shape, "float32")} if spec.state_shape else {}
    return {
        "obs": ((agents, *spec.obs_shape), spec.obs_dtype),
        "avail": ((agents, spec.num_actions), "bool"),
        "action": ((agents,), "int16" if spec.num_actions <= 2**15 else "int64"),
        "reward": ((), "float32"),
        **state,
    }


def capacity(spec: EnvSpec, episodes: int, gib: float, least: int) -> int:
    """Give how many episodes, at most `episodes`, fit; ValueError if that is under a batch."""
    episode = row_bytes(episode_fields(spec)) * (spec.episode_limit + 1)
    fitting = int(gib * 2**30 / episode)
    if fitting < least:
        raise ValueError(
            f"replay_gib={gib:g} holds {fitting} episodes of this task, fewer than "
            f"batch_episodes={least}: raise the one or lower the other"
        )
    return min(episodes, fitting)
