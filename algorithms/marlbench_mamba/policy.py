"""PPO on imagined play: how actor and critic learn."""

from __future__ import annotations

import torch
from torch import Tensor

from marlbench.toolbox.optimisers import Adam
from marlbench.toolbox.policies import entropy, log_prob
from marlbench.toolbox.ppo import PPOBatch, minibatches, ppo_clip
from marlbench.toolbox.saving import Attributes, Part
from marlbench.toolbox.training import descend
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.networks import Actor, Critic


class PolicyLearner:
    """Actor, critic and their optimisers."""

    def __init__(self, config: MambaConfig, actor: Actor, critic: Critic) -> None:
        self.config, self.actor, self.critic = config, actor, critic
        self.entropy_coef = config.entropy_coef  # falls as it learns
        self.actor_optimiser = Adam(
            actor.parameters(), config.actor_lr, weight_decay=config.actor_decay, fused=True
        )
        self.critic_optimiser = Adam(critic.parameters(), config.critic_lr, fused=True)

    def learn(self, data: PPOBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Several epochs of minibatches of joint states; the last minibatch's metrics."""
        epochs, size = self.config.epochs, self.config.minibatch
        for index in minibatches(len(data), epochs, size, generator):
            metrics = self.step(data.rows(index))
        return metrics

    def step(self, data: PPOBatch) -> dict[str, Tensor]:
        """One gradient step of actor and critic."""
        policy = self.actor(data.h, data.z, data.avail)  # (N, A, U)
        new_log_prob, spread = log_prob(policy, data.action), entropy(policy).mean()
        surrogate = ppo_clip(new_log_prob, data.log_prob, data.advantage, self.config.clip)
        actor_loss = surrogate.mean() - self.entropy_coef * spread
        error = self.critic(data.h, data.z) - data.target  # (N, A)
        critic_loss = error.square().mean() / 2
        actor_norm = descend(actor_loss, self.actor_optimiser, self.config.max_grad_norm)
        critic_norm = descend(critic_loss, self.critic_optimiser, self.config.max_grad_norm)
        self.entropy_coef *= self.config.entropy_decay
        return {
            "actor_loss": actor_loss.detach(),
            "critic_loss": critic_loss.detach(),
            "entropy": spread.detach(),
            "actor_grad_norm": actor_norm,
            "critic_grad_norm": critic_norm,
        }

    def parts(self) -> dict[str, Part]:
        """What a checkpoint holds."""
        names = ("actor", "critic", "actor_optimiser", "critic_optimiser")
        learnt = {name: getattr(self, name) for name in names}
        return {**learnt, "policy": Attributes(self, "entropy_coef")}
