"""Imagined play: what actor and critic learn from.

The reward and the end of the action taken at t are read from (z_t, h_{t+1}). The transition has
just given that h, and it is used; nothing is run twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from marlbench.toolbox.latents import sample_classes
from marlbench.toolbox.normalise import standardise
from marlbench.toolbox.policies import gumbel, log_prob, sample
from marlbench.toolbox.ppo import PPOBatch
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

    def batch(self, advantage: Tensor, target: Tensor) -> PPOBatch:
        """All joint states but the last, where nothing was decided; (H-1, R, A) of each."""
        return PPOBatch.flattened(
            h=self.h[:-1],
            z=self.z[:-1],
            avail=self.avail,
            action=self.action,
            log_prob=self.log_prob,
            advantage=advantage,
            target=target,
        )


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
    heads = model.heads.for_imagining()
    states, latents = [h], [z.to(torch.uint8)]
    rows: list[tuple[Tensor, ...]] = []
    for t in range(steps):
        avail = avail_noise[t] < heads.avail(h, z).sigmoid()  # (R, A, U)
        policy = actor(h, z, avail)
        action = sample(policy, action_noise[t])  # (R, A)
        after = model.next(h, z, action)  # (R, A, D)
        rows.append((avail, action, log_prob(policy, action), *heads.outcome(after, z)))
        h = after
        z = sample_classes(model.foresee(h), latent_noise[t])  # (R, A, K)
        states.append(h)
        latents.append(z.to(torch.uint8))
    fields = (torch.stack(field) for field in zip(*rows, strict=True))
    return Rollout(torch.stack(states), torch.stack(latents), *fields)


@torch.no_grad()
def advantages(critic: Critic, rollout: Rollout, config: MambaConfig) -> tuple[Tensor, Tensor]:
    """Advantages, standardised over everything, and lambda-returns (H-1, R, A).

    The reward is the mean of what the agents' heads predict.
    """
    value = torch.stack([critic(h, z) for h, z in zip(rollout.h, rollout.z, strict=True)])
    reward = rollout.reward.mean(-1, keepdim=True).expand_as(rollout.reward)
    advantage = gae(reward, config.gamma * rollout.cont, value, config.gae_lambda)
    alike = torch.ones_like(advantage)
    return standardise(advantage, alike, eps=1e-4, correction=1), advantage + value[:-1]
