"""Acting by recurrent values, greedily or with exploration, as a function of what is passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.exploration import epsilon_greedy, greedy
from marlbench.toolbox.utility import Utility

__all__ = ["PolicyState", "act", "beginning"]


@dataclass(frozen=True)
class PolicyState:
    """What acting carries from step to step."""

    hidden: NDArray[np.float32]
    """(E, A, D) states of the recurrent network."""
    action: NDArray[np.int64]
    """(E, A) last actions."""


def beginning(spec: EnvSpec, hidden: int, num_envs: int) -> PolicyState:
    """Give the policy's state at an episode's beginning for E copies."""
    agents = (num_envs, spec.num_agents)
    states = np.zeros((*agents, hidden), np.float32)
    return PolicyState(states, np.full(agents, spec.num_actions))


def act(
    utility: Utility,
    step: Step,
    policy_state: PolicyState,
    rng: np.random.Generator,
    epsilon: float | None,
) -> tuple[NDArray[np.int64], PolicyState]:
    """Choose actions (E, A): the best by each agent's own utility, or epsilon-greedily."""
    last_action, hidden = policy_state.action, policy_state.hidden  # (E, A), (E, A, D)
    if step.first.any():
        fresh = step.first[:, None]  # (E, 1)
        last_action = np.where(fresh, utility.none, last_action)
        hidden = np.where(fresh[..., None], np.float32(0), hidden)
    q, h = values(utility, step.obs, last_action, hidden)
    if epsilon is None:
        action = greedy(q, step.avail)
    else:
        uniforms = rng.random((*last_action.shape, utility.none + 1))
        action = epsilon_greedy(q, step.avail, epsilon, uniforms)
    return action, PolicyState(h, action)


def values(utility: Utility, *seen: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Give values (E, A, U) and next states (E, A, D) of what was seen, done and remembered."""
    device = utility.agents.device
    with torch.inference_mode():
        results = utility(*(torch.from_numpy(array).to(device) for array in seen))
    return [result.cpu().numpy() for result in results]
