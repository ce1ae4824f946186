"""Episodes of value learners: what the replay holds of a step, and a draw of it as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.episode_replay import EpisodeReplay, Episodes
from marlbench.toolbox.td_targets import td_lambda_targets

__all__ = ["Batch", "capacity", "episode_fields", "lay_out", "record"]


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
        "action": ((agents,), "int16"),
        "reward": ((), "float32"),
        **state,
    }


def capacity(spec: EnvSpec, episodes: int, gib: float, least: int) -> int:
    """Give how many episodes, at most `episodes`, fit; ValueError if that is under a batch."""
    kinds = episode_fields(spec).values()
    row = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in kinds)
    fitting = int(gib * 2**30 / (row * (spec.episode_limit + 1)))
    if fitting < least:
        raise ValueError(
            f"replay_gib={gib:g} holds {fitting} episodes of this task, fewer than "
            f"batch_episodes={least}: raise the one or lower the other"
        )
    return min(episodes, fitting)
