"""The absorbing state: how absent agents and ended episodes are written down [section 4.2].

An absent agent observes the null observation (zeros), has the no-op alone and takes it; where
agents say numbers it has none to say, and zeros stand for that. Within an
episode this is relabelled when a step enters the replay. The step that ends an episode keeps what
was observed; behind it stand absorbing steps of all agents, which are never stored but filled in
when a window is packed. Nothing is appended to a time-out: what follows it is unknown.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.memory_budget import step_fields
from marlbench.toolbox.sequence_replay import Windows
from marlbench_dmawm.config import Config


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
    """(T, B, A), 1 while the agent's return goes on."""
    present: Tensor
    """(T, B, A), 1 while the agent is there to decide."""
    action: Tensor
    """(T, B, A, *) int64, or float32 of numbers."""
    seen: Tensor
    """(T, B, A), 1 where what the agent observes is learnt from."""
    told: Tensor
    """(T, B, A), 1 where what the last action brought is: reward, continuation, mask."""
    among: Tensor
    """(T, B, A) bool: the agent took the last action; where states begin anew, it is there."""
    joined: Tensor
    """(T, B) bool: the row does not follow on the one before it; states begin anew."""

    def to(self, device: str) -> Batch:
        """The same batch on a device."""
        return Batch(*(getattr(self, field.name).to(device) for field in dataclasses.fields(self)))


def fields(spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], str]]:
    """What a replay row holds besides its flags, as (shape, dtype)."""
    return {**step_fields(spec), "present": ((spec.num_agents,), "bool"), "crashed": ((), "bool")}


def null_action(spec: EnvSpec) -> int:
    """The no-op; where a task has none, 0 stands for it behind the end, as for every number."""
    return spec.noop if spec.noop is not None else 0


def null_avail(spec: EnvSpec) -> NDArray[np.bool_]:
    """(U,) the no-op alone, or no number."""
    if spec.actions == "box":
        return np.zeros(spec.num_actions, np.bool_)
    return np.arange(spec.num_actions) == null_action(spec)


def acted(actions: NDArray[Any], where: NDArray[np.bool_], spec: EnvSpec) -> NDArray[Any]:
    """Actions (..., A, *) where an agent takes one (..., A), the null action elsewhere."""
    where = where.reshape(*where.shape, *[1] * (actions.ndim - where.ndim))
    return np.where(where, actions, np.asarray(null_action(spec), actions.dtype))


def relabel(
    step: Step, actions: NDArray[Any], spec: EnvSpec, bootstrap_timeouts: bool
) -> dict[str, NDArray[Any]]:
    """A replay row of E copies: absent agents are absorbed, at a true end nobody decides.

    Without `bootstrap_timeouts` a time-out is one too; what was cut by a crash never is.
    """
    crashed = step.info.get("crashed", np.zeros_like(step.first))
    terminal = step.terminal | (step.last & ~crashed & (not bootstrap_timeouts))  # (E,)
    present = step.alive & ~terminal[:, None]  # (E, A)
    return {
        "obs": step.obs * step.alive.reshape(*present.shape, *[1] * len(spec.obs_shape)),
        "avail": np.where(step.alive[..., None], step.avail, null_avail(spec)),
        "reward": step.reward,
        "present": present,
        "action": acted(actions, present & ~step.last[:, None], spec),
        "crashed": crashed,
        "first": step.first,
        "last": step.last,
        "terminal": terminal,
    }


def absorbed(windows: Windows, spec: EnvSpec, config: Config) -> Batch:
    """Fill absorbing steps into packed windows and say what is learnt from each row.

    A row that the host made to cut a crashed episode is not: it was never observed. Nor is what
    an action brought where a window begins within an episode: the state there knows of no action.
    """
    rows, empty = windows.fields, ~windows.real[..., None]  # (T, B, 1)
    present = rows["present"]  # (T, B, A)
    ended = empty | rows["terminal"][..., None]
    cont = present if ends(config) else ~ended & np.ones_like(present)
    seen = ~rows["crashed"][..., None] & np.ones_like(present)
    told = seen & ~(windows.joined & ~rows["first"])[..., None]
    before = np.concatenate([present[:1], present[:-1]])
    among = np.where(windows.joined[..., None], present, before)
    if not config.absorbing_state:
        told, seen = told & among, seen & present
    return Batch(
        obs=torch.from_numpy(rows["obs"]),
        avail=torch.from_numpy(np.where(empty[..., None], null_avail(spec), rows["avail"])),
        reward=torch.from_numpy(rows["reward"]),
        cont=torch.from_numpy(cont.astype(np.float32)),
        present=torch.from_numpy(present.astype(np.float32)),
        action=torch.from_numpy(
            acted(rows["action"].astype(spec.action_dtype), ~empty & np.ones_like(present), spec)
        ),
        seen=torch.from_numpy(seen.astype(np.float32)),
        told=torch.from_numpy(told.astype(np.float32)),
        among=torch.from_numpy(among),
        joined=torch.from_numpy(windows.joined),
    )


def ends(config: Config) -> bool:
    """Whether an agent's return ends with its absence, as without the state [section 5.3]."""
    return config.absent_return == "ends" or not config.absorbing_state
