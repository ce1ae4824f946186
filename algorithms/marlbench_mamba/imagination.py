"""Imagined play: what actor and critic learn from.

The reward and the end of the action taken at t are read from (z_t, h_{t+1}). The transition has
just given that h, and it is used; nothing is run twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from marlbench.toolbox.latents import class_rows, sample_classes
from marlbench.toolbox.linear import product
from marlbench.toolbox.policies import gumbel, log_prob, sample
from marlbench.toolbox.returns import gae
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.networks import Actor, Critic
from marlbench_mamba.world_model import WorldModel


@dataclass(frozen=True)
class Rollout:
    """R imagined trajectories of H states, with an action at all but the last."""

    h: Tensor
    """(H, R, A, D)."""
    z: Tensor
    """(H, R, A, K) uint8 class indices."""
    avail: Tensor
    """(H-1, R, A, U) bool: drawn; where none is, all are equally likely."""
    action: Tensor
    """(H-1, R, A)."""
    log_prob: Tensor
    """(H-1, R, A) of the action, under the policy that took it."""
    reward: Tensor
    """(H-1, R, A) of the action."""
    cont: Tensor
    """(H-1, R, A) probability that it goes on after it."""


@torch.no_grad()
def imagine(
    model: WorldModel,
    actor: Actor,
    start: tuple[Tensor, Tensor],
    horizon: int,
    generator: torch.Generator,
) -> Rollout:
    """Play the policy in the model, from states h (R, A, D), z (R, A, K)."""
    h, z = start
    actions = actor.out.out_features
    steps = horizon - 1
    avail_noise = torch.rand((steps, *h.shape[:2], actions), generator=generator, device=h.device)
    action_noise = gumbel((steps, *h.shape[:2], actions), generator)
    latent_noise = torch.rand((steps, *z.shape), generator=generator, device=h.device)
    heads = Heads(model)
    states, latents = [h], [z.to(torch.uint8)]
    rows: list[tuple[Tensor, ...]] = []
    for t in range(steps):
        avail = avail_noise[t] < heads.avail(h, z).sigmoid()  # (R, A, U)
        policy = actor(h, z, avail)
        action = sample(policy, action_noise[t])  # (R, A)
        read = model.transition.read(z, action).flatten(0, 1)  # (R A, F)
        after = model.transition(h.flatten(0, 1), read).view_as(h)
        rows.append((avail, action, log_prob(policy, action), *heads.outcome(after, z)))
        h = after
        prior = model.transition.prior(h).unflatten(-1, (z.shape[-1], -1))  # (R, A, K, C)
        z = sample_classes(prior.softmax(-1), latent_noise[t])  # (R, A, K)
        states.append(h)
        latents.append(z.to(torch.uint8))
    fields = (torch.stack(field) for field in zip(*rows, strict=True))
    return Rollout(torch.stack(states), torch.stack(latents), *fields)


class Heads:
    """The heads that imagination asks, each with its own share of the reader's weights."""

    def __init__(self, model: WorldModel) -> None:
        reader, width = model.reader, model.config.hidden
        self.model = model
        self.by_avail = reader.weight_z[:, width : 2 * width].contiguous()  # (K*C, F)
        self.by_outcome = reader.weight_z[:, 2 * width :].contiguous()  # (K*C, 2 F)
        self.from_h = reader.weight_h.split([width, width, 2 * width])
        self.bias = reader.bias.split([width, width, 2 * width])

    def avail(self, h: Tensor, z: Tensor) -> Tensor:
        """Logits (..., U) of what is available in states h (..., D), z (..., K)."""
        read = product(h.flatten(0, -2), self.from_h[1], self.bias[1]).view(*h.shape[:-1], -1)
        return self.model.avail(read + class_rows(z, self.by_avail))

    def outcome(self, after: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Reward and probability of going on (...) of z (..., K) and the h (..., D) after it."""
        read = product(after.flatten(0, -2), self.from_h[2], self.bias[2])
        both = read.view(*after.shape[:-1], -1) + class_rows(z, self.by_outcome)
        to_reward, to_cont = both.chunk(2, -1)  # (..., F) each
        reward = self.model.reward(to_reward).squeeze(-1)
        return reward, self.model.cont(to_cont).squeeze(-1).sigmoid()


@torch.no_grad()
def advantages(critic: Critic, rollout: Rollout, config: MambaConfig) -> tuple[Tensor, Tensor]:
    """Advantages, standardised over everything, and lambda-returns (H-1, R, A).

    The reward is the mean of what the agents' heads predict.
    """
    value = torch.stack([critic(h, z) for h, z in zip(rollout.h, rollout.z, strict=True)])
    reward = rollout.reward.mean(-1, keepdim=True).expand_as(rollout.reward)
    advantage = gae(reward, config.gamma * rollout.cont, value, config.return_lambda)
    standard = (advantage - advantage.mean()) / (1e-4 + advantage.std())
    return standard, advantage + value[:-1]
