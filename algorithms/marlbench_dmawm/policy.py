"""PPO on imagined trajectories: how actor and critic learn [section 4.3, Eqs. 8, 9]."""

import torch
from torch import Tensor

from marlbench.toolbox.optimisers import Adam
from marlbench.toolbox.ppo import PPOBatch, minibatches, ppo_clip
from marlbench.toolbox.saving import Part
from marlbench.toolbox.training import descend
from marlbench_dmawm.config import Config
from marlbench_dmawm.networks import Actor, Critic


class PolicyLearner:
    """Actor, critic and their optimisers."""

    def __init__(self, config: Config, actor: Actor, critic: Critic) -> None:
        self.config = config
        self.actor = actor
        self.critic = critic
        c = config
        self.actor_optimiser = Adam(actor.parameters(), c.actor_lr, eps=c.policy_eps, fused=True)
        self.critic_optimiser = Adam(critic.parameters(), c.critic_lr, eps=c.policy_eps, fused=True)

    def learn(self, data: PPOBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Several epochs, of the whole batch or of minibatches; the last step's metrics."""
        epochs, size = self.config.epochs, self.config.minibatch
        if not 0 < size < len(data):
            return [self.step(data) for _ in range(epochs)][-1]
        steps = minibatches(len(data), epochs, size, generator)
        return [self.step(data.rows(index)) for index in steps][-1]

    def step(self, data: PPOBatch) -> dict[str, Tensor]:
        """One gradient step of actor [Eq. 8] and critic [Eq. 9]."""
        c, z, weight = self.config, data.z.long(), data.weight
        assert weight is not None, "decisions are weighed"
        policy = self.actor(data.h, z, data.avail)
        new_log_prob, spread = policy.log_prob(data.action), policy.entropy()  # (N, A) each
        surrogate = ppo_clip(new_log_prob, data.log_prob, data.advantage, c.clip)
        actor_loss = (weight * (surrogate - c.entropy_coef * spread)).mean()
        error = self.critic.twohot.loss(self.critic(data.h, z), data.target)
        critic_loss = (weight * error).mean()
        actor_norm = descend(actor_loss, self.actor_optimiser, c.max_grad_norm)
        critic_norm = descend(critic_loss, self.critic_optimiser, c.max_grad_norm)
        return {
            "actor_loss": actor_loss.detach(),
            "critic_loss": critic_loss.detach(),
            "entropy": (weight * spread).mean().detach(),
            "ratio_kl": (weight * (data.log_prob - new_log_prob)).mean().detach(),
            "actor_grad_norm": actor_norm,
            "critic_grad_norm": critic_norm,
        }

    def parts(self) -> dict[str, Part]:
        """What a checkpoint holds."""
        names = ("actor", "critic", "actor_optimiser", "critic_optimiser")
        return {name: getattr(self, name) for name in names}
