"""Imagined play: what actor and critic learn from.

The reward and the end of the action taken at t are read from (z_t, h_{t+1}). The transition has
just given that h, and it is used; nothing is run twice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from marlbench.toolbox.latents import sample_classes
from marlbench.toolbox.normalise import standardise
from marlbench.toolbox.policies import gumbel, log_prob, sample
from marlbench.toolbox.ppo import ImaginedRollout
from marlbench.toolbox.returns import gae
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.networks import Actor, Critic
from marlbench_mamba.world_model import WorldModel


@torch.no_grad()
def imagine(
    model: WorldModel,
    actor: Actor,
    start: tuple[Tensor, Tensor],
    horizon: int,
    generator: torch.Generator,
) -> ImaginedRollout:
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
    return ImaginedRollout(torch.stack(states), torch.stack(latents), *fields)


@torch.no_grad()
def advantages(
    critic: Critic, rollout: ImaginedRollout, config: MambaConfig
) -> tuple[Tensor, Tensor]:
    """Advantages, standardised over everything, and lambda-returns (H-1, R, A).

    The reward is the mean of what the agents' heads predict.
    """
    value = torch.stack([critic(h, z) for h, z in zip(rollout.h, rollout.z, strict=True)])
    reward = rollout.reward.mean(-1, keepdim=True).expand_as(rollout.reward)
    advantage = gae(reward, config.gamma * rollout.cont, value, config.gae_lambda)
    alike = torch.ones_like(advantage)
    return standardise(advantage, alike, eps=1e-4, correction=1), advantage + value[:-1]
