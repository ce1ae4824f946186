"""PPO on imagined play: how actor and critic learn."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from marlbench.toolbox.policies import entropy, log_prob
from marlbench.toolbox.ppo import ppo_clip
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.imagination import Rollout
from marlbench_mamba.networks import Actor, Critic


@dataclass(frozen=True)
class Decisions:
    """N joint states with what was decided there and what came of it."""

    h: Tensor
    """(N, A, D)."""
    z: Tensor
    """(N, A, K) uint8 class indices."""
    avail: Tensor
    """(N, A, U) bool."""
    action: Tensor
    """(N, A)."""
    log_prob: Tensor
    """(N, A) under the policy that acted."""
    advantage: Tensor
    """(N, A)."""
    target: Tensor
    """(N, A) of the value."""

    @classmethod
    def of(cls, rollout: Rollout, advantage: Tensor, target: Tensor) -> Decisions:
        """All joint states of a rollout but the last, where nothing was decided."""
        r = rollout
        parts = (r.h[:-1], r.z[:-1], r.avail, r.action, r.log_prob, advantage, target)
        return cls(*(x.flatten(0, 1) for x in parts))

    def rows(self, index: Tensor) -> Decisions:
        """Some of the joint states."""
        return Decisions(*(getattr(self, field.name)[index] for field in fields(self)))


class PolicyLearner:
    """Actor, critic and their optimisers."""

    def __init__(self, config: MambaConfig, actor: Actor, critic: Critic) -> None:
        self.config, self.actor, self.critic = config, actor, critic
        self.entropy = config.entropy
        self.actor_optimiser = torch.optim.Adam(
            actor.parameters(), config.actor_lr, weight_decay=config.actor_decay, fused=True
        )
        self.critic_optimiser = torch.optim.Adam(critic.parameters(), config.critic_lr, fused=True)

    def learn(self, data: Decisions, generator: torch.Generator) -> dict[str, Tensor]:
        """Several epochs of minibatches of joint states; the last minibatch's metrics."""
        for _ in range(self.config.epochs):
            order = torch.randperm(len(data.h), generator=generator, device=data.h.device)
            for rows in order.split(self.config.minibatch):
                metrics = self.step(data.rows(rows))
        return metrics

    def step(self, data: Decisions) -> dict[str, Tensor]:
        """One gradient step of actor and critic."""
        policy = self.actor(data.h, data.z, data.avail)  # (N, A, U)
        new_log_prob, spread = log_prob(policy, data.action), entropy(policy).mean()
        surrogate = ppo_clip(new_log_prob, data.log_prob, data.advantage, self.config.clip)
        actor_loss = surrogate.mean() - self.entropy * spread
        error = self.critic(data.h, data.z) - data.target  # (N, A)
        critic_loss = error.square().mean() / 2
        actor_norm = self.descend(self.actor_optimiser, self.actor, actor_loss)
        critic_norm = self.descend(self.critic_optimiser, self.critic, critic_loss)
        self.entropy *= self.config.entropy_decay
        return {
            "actor_loss": actor_loss.detach(),
            "critic_loss": critic_loss.detach(),
            "entropy": spread.detach(),
            "actor_grad_norm": actor_norm,
            "critic_grad_norm": critic_norm,
        }

    def descend(self, optimiser: torch.optim.Adam, network: nn.Module, loss: Tensor) -> Tensor:
        """Take a step down a loss; give the gradient's norm before clipping."""
        optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), self.config.max_grad_norm)
        optimiser.step()
        return norm
