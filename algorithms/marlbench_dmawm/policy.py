"""PPO on imagined trajectories: how actor and critic learn [section 4.3, Eqs. 8, 9]."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from marlbench.toolbox.policies import entropy, log_prob
from marlbench.toolbox.policy_losses import ppo_clip
from marlbench_dmawm.config import Config
from marlbench_dmawm.imagination import Rollout
from marlbench_dmawm.networks import Actor, Critic


@dataclass(frozen=True)
class Decisions:
    """N joint states with what was decided there and what came of it."""

    h: Tensor
    """(N, A, D)."""
    z: Tensor
    """(N, A, K) class indices."""
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
    weight: Tensor
    """(N, A), of mean 1 over the whole batch."""

    @classmethod
    def of(cls, rollout: Rollout, advantage: Tensor, target: Tensor) -> "Decisions":
        """All joint states of a rollout but the last, where nothing was decided."""
        r = rollout
        weight = r.weight / r.weight.mean().clamp(min=1e-8)
        parts = (r.h[:-1], r.z[:-1], r.avail, r.action, r.log_prob, advantage, target, weight)
        return cls(*(x.flatten(0, 1) for x in parts))

    def rows(self, index: Tensor) -> "Decisions":
        """Some of the joint states."""
        return Decisions(*(getattr(self, field.name)[index] for field in fields(self)))


class PolicyLearner:
    """Actor, critic and their optimisers; one backward pass serves both, they share nothing."""

    def __init__(self, config: Config, actor: Actor, critic: Critic) -> None:
        self.config = config
        self.actor = actor
        self.critic = critic
        c = config
        self.actor_optimiser = torch.optim.Adam(
            actor.parameters(), c.actor_lr, eps=c.policy_eps, fused=True
        )
        self.critic_optimiser = torch.optim.Adam(
            critic.parameters(), c.critic_lr, eps=c.policy_eps, fused=True
        )

    def learn(self, data: Decisions, generator: torch.Generator) -> dict[str, Tensor]:
        """Several epochs, of the whole batch or of minibatches; the last step's metrics."""
        size = self.config.minibatch
        for _ in range(self.config.epochs):
            if not 0 < size < len(data.h):
                metrics = self.step(data)
                continue
            order = torch.randperm(len(data.h), generator=generator, device=data.h.device)
            for rows in order.split(size):
                metrics = self.step(data.rows(rows))
        return metrics

    def step(self, data: Decisions) -> dict[str, Tensor]:
        """One gradient step of actor [Eq. 8] and critic [Eq. 9]."""
        c = self.config
        z = data.z.long()
        policy = self.actor(data.h, z, data.avail)  # (N, A, U)
        new_log_prob, spread = log_prob(policy, data.action), entropy(policy)
        surrogate = ppo_clip(new_log_prob, data.log_prob, data.advantage, c.clip)
        actor_loss = (data.weight * (surrogate - c.entropy_coef * spread)).mean()
        error = self.critic.twohot.loss(self.critic(data.h, z), data.target)
        critic_loss = (data.weight * error).mean()
        self.actor_optimiser.zero_grad()
        self.critic_optimiser.zero_grad()
        (actor_loss + critic_loss).backward()
        clip = torch.nn.utils.clip_grad_norm_
        actor_norm = clip(self.actor.parameters(), c.max_grad_norm)
        critic_norm = clip(self.critic.parameters(), c.max_grad_norm)
        self.actor_optimiser.step()
        self.critic_optimiser.step()
        return {
            "actor_loss": actor_loss.detach(),
            "critic_loss": critic_loss.detach(),
            "entropy": (data.weight * spread).mean().detach(),
            "ratio_kl": (data.weight * (data.log_prob - new_log_prob)).mean().detach(),
            "actor_grad_norm": actor_norm,
            "critic_grad_norm": critic_norm,
        }
