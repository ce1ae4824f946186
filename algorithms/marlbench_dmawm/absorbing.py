"""The absorbing state: how absent agents and ended episodes are written down [section 4.2].

An absent agent observes the null observation (zeros), has the no-op alone, takes it, and does not
continue. Within an episode this is relabelled when a step enters the replay; the states behind a
true end are never stored, a window that reaches there is filled with them. Nothing is appended
to a time-out: what follows it is unknown and carries no weight.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import EnvSpec, Step


@dataclass(frozen=True)
class Batch:
    """Windows of arrival-style rows: what came at t, and the action then taken."""

    obs: Tensor
    """(T, B, A, O)."""
    avail: Tensor
    """(T, B, A, U) bool."""
    reward: Tensor
    """(T, B, A), arrived with the observation."""
    cont: Tensor
    """(T, B, A), 1 while the agent goes on."""
    present: Tensor
    """(T, B, A), 1 while the agent is there to decide."""
    action: Tensor
    """(T, B, A) int64."""
    weight: Tensor
    """(T, B), 1 for rows to learn from."""
    first: Tensor
    """(T, B) bool: the row is the first of its episode, not only of its window."""

    def to(self, device: str) -> "Batch":
        """The same batch on a device."""
        return Batch(*(getattr(self, field.name).to(device) for field in dataclasses.fields(self)))


def fields(spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], str]]:
    """What a replay row holds besides its flags, as (shape, dtype)."""
    agents = (spec.num_agents,)
    return {
        "obs": ((*agents, *spec.obs_shape), spec.obs_dtype),
        "avail": ((*agents, spec.num_actions), "bool"),
        "reward": (agents, "float32"),
        "present": (agents, "bool"),
        "action": (agents, "int64" if spec.num_actions > 255 else "uint8"),
        "crashed": ((), "bool"),
    }


def null_action(spec: EnvSpec) -> int:
    """The no-op; where a task has none, action 0 stands for it behind the end."""
    return spec.noop if spec.noop is not None else 0


def relabel(step: Step, actions: NDArray[np.int64], spec: EnvSpec) -> dict[str, NDArray[Any]]:
    """A replay row of E copies: absent agents, all of them at a true end, are absorbed."""
    present = step.alive & ~step.terminal[:, None]  # (E, A)
    return {
        "obs": step.obs * present.reshape(*present.shape, *[1] * len(spec.obs_shape)),
        "avail": np.where(present[..., None], step.avail, null_avail(spec)),
        "reward": step.reward,
        "present": present,
        "action": np.where(present & ~step.last[:, None], actions, null_action(spec)),
        "crashed": step.info.get("crashed", np.zeros_like(step.first)),
        "first": step.first,
        "last": step.last,
        "terminal": step.terminal,
    }


def null_avail(spec: EnvSpec) -> NDArray[np.bool_]:
    """(U,) the no-op alone."""
    return np.arange(spec.num_actions) == null_action(spec)


def absorbed(
    window: dict[str, NDArray[Any]],
    real: NDArray[np.bool_],
    spec: EnvSpec,
    tail: int,
    death_ends: str,
) -> Batch:
    """Fill a window's empty steps with absorbing states, `tail` of which carry weight.

    A row that the host made to cut a crashed episode carries none: it was never observed.
    """
    ended = window["terminal"].any(0)  # (B,)
    behind = np.cumsum(~real, 0)  # (T, B) how far behind the last real step
    appended = ~real & ended & (behind <= tail)
    empty = ~real[..., None]  # (T, B, 1)
    gone = (window["terminal"] | ~real)[..., None]  # (T, B, 1)
    cont = window["present"] if death_ends == "agent" else ~gone & np.ones_like(window["present"])
    action = np.where(empty, null_action(spec), window["action"].astype(np.int64))
    return Batch(
        obs=torch.from_numpy(window["obs"]),
        avail=torch.from_numpy(np.where(empty[..., None], null_avail(spec), window["avail"])),
        reward=torch.from_numpy(window["reward"]),
        cont=torch.from_numpy(cont.astype(np.float32)),
        present=torch.from_numpy(window["present"].astype(np.float32)),
        action=torch.from_numpy(action),
        weight=torch.from_numpy(((real & ~window["crashed"]) | appended).astype(np.float32)),
        first=torch.from_numpy(window["first"]),
    )
