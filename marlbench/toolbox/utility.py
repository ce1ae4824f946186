"""Q_a: the recurrent value network that all agents share, what it reads, and acting by it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.exploration import epsilon_greedy, greedy
from marlbench.toolbox.gru import PackedGRU
from marlbench.toolbox.linear import linear
from marlbench.toolbox.onehots import one_hot
from marlbench.toolbox.vision import ImageEncoder

__all__ = ["PolicyState", "Utility", "act", "beginning"]

NUMBERS_AT_ONCE = 16_384 * 44 * 44 * 3
"""Of images whose layers take 1.4 GB; a batch of long episodes has 50 times as many."""


class Utility(nn.Module):
    """Q_a: Linear, ReLU, GRU, Linear, shared by the agents [code: n_rnn_agent.py@8ccac7c].

    The input is the agent's observation, its last action and, unless the host hides it, its index;
    of an image, the vector that a convolutional trunk makes of it.
    """

    def __init__(self, spec: EnvSpec, hidden: int, image_features: int) -> None:
        """Build for the task's shapes; ValueError for observations that are neither of the two."""
        if len(spec.obs_shape) not in (1, 3):
            raise ValueError(
                f"observations of shape {spec.obs_shape}: want (features,) or "
                "(height, width, channels)"
            )
        super().__init__()
        self.num_agents, self.none = spec.num_agents, spec.num_actions
        self.sees_images = len(spec.obs_shape) == 3
        self.features = image_features if self.sees_images else spec.obs_shape[0]
        seen = (spec.num_agents, self.features)  # without a state, what all agents see is it
        self.state_features = math.prod(spec.state_shape or seen)
        if self.sees_images:
            trunk = ImageEncoder(spec.obs_shape)
            self.trunk = nn.Sequential(trunk, nn.Linear(trunk.features, self.features), nn.ReLU())
        told = 0 if spec.agent_index == "hidden" else spec.num_agents  # of who an agent is
        self.input = nn.Linear(self.features + spec.num_actions + told, hidden)
        self.gru = PackedGRU(hidden, hidden)
        self.output = nn.Linear(hidden, spec.num_actions)
        agents = torch.eye(spec.num_agents)[:, :told]  # (A, A), or (A, 0)
        self.register_buffer("agents", agents, persistent=False)
        self.agents: Tensor

    def embed(self, obs: Tensor) -> Tensor:
        """Give what the network reads (N, A, D) of observations (N, A, *O).

        Many images are read in parts whose inner layers are computed again for the gradients,
        since all of them at once would fill tens of gigabytes.
        """
        if not self.sees_images:
            return obs
        if obs.numel() <= NUMBERS_AT_ONCE:
            return self.trunk(obs)
        parts = obs.split(max(1, NUMBERS_AT_ONCE // obs[0].numel()))
        return torch.cat([checkpoint(self.trunk, part, use_reentrant=False) for part in parts])

    def inputs(self, embedding: Tensor, last_action: Tensor) -> Tensor:
        """Join embeddings (N, A, D), last actions (N, A) and what is told of indices: (N, A, I)."""
        agents = self.agents.expand(len(embedding), -1, -1)  # (N, A, A)
        return torch.cat([embedding, one_hot(last_action, self.none), agents], -1)

    def forward(self, obs: Tensor, last_action: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Play one step: values (E, A, U) and states (E, A, D), from states (E, A, D)."""
        inputs = self.inputs(self.embed(obs), last_action).flatten(0, 1)  # (E A, I)
        x = self.input(inputs).relu_()  # (E A, D)
        state = self.gru(x, h.flatten(0, 1))  # (E A, D)
        return self.output(state).view(*h.shape[:2], -1), state.view_as(h)

    def states(self, inputs: Tensor, sizes: Sequence[int]) -> Tensor:
        """Give states (N, A, D) of packed episodes' inputs (N, A, I), from their beginning."""
        x = linear(inputs.flatten(0, 1), self.input.weight, self.input.bias, "relu")  # (N A, D)
        h = self.gru.unroll(x, [size * self.num_agents for size in sizes])  # (N A, D)
        return h.view(-1, self.num_agents, self.gru.hidden_size)  # (N, A, D)

    def values(self, states: Tensor) -> Tensor:
        """Give values (..., U) of the recurrent network's states (..., D)."""
        return linear(states, self.output.weight, self.output.bias)

    def unroll(self, inputs: Tensor, sizes: Sequence[int]) -> Tensor:
        """Give values (N, A, U) of packed episodes' inputs (N, A, I), from their beginning."""
        return self.values(self.states(inputs, sizes))


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
