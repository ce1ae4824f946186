"""The multi-agent world model: agent and environment module, trained together [section 4.2].

Symbol    meaning                                       name
L_dyn     dynamics loss, trains the prior     [Eq. 4]   `dyn`
L_rep     representation loss                 [Eq. 5]   `rep`
L_dec     decoder loss                        [Eq. 6]   `obs`, `reward`, `cont`, `avail`
L         the model's objective               [Eq. 3]   `WorldModel.loss`

Equation 6 prints the reward term twice; the second is read as the continuation's.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from marlbench.plugin import EnvSpec
from marlbench.toolbox.latents import balanced_kl
from marlbench_dmawm.absorbing import Batch
from marlbench_dmawm.config import Config
from marlbench_dmawm.networks import AgentModule, EnvironmentModule
from marlbench_dmawm.twohot import TwoHot


@dataclass(frozen=True)
class States:
    """The agents' states over a batch of windows."""

    h: Tensor
    """(T, B, A, D) deterministic."""
    z: Tensor
    """(T, B, A, K) stochastic, class indices."""
    log_q: Tensor
    """(T, B, A, K, C) posterior log-probabilities."""


class WorldModel(nn.Module):
    """Both modules and their common objective."""

    reward_unit: Tensor
    """() what heads and critic count rewards in: 1, or the mean size of small ones."""

    def __init__(self, config: Config, spec: EnvSpec) -> None:
        super().__init__()
        self.config = config
        self.agent = AgentModule(config, spec)
        self.environment = EnvironmentModule(config, spec)
        self.twohot = TwoHot(config.bins)
        self.register_buffer("reward_unit", torch.ones(()), persistent=config.small_rewards > 0)
        # A picture's thousands of squared errors drown the reward, which few steps bring.
        images = self.agent.images
        self.weight_obs = config.image_obs if images else 1.0
        self.weight_reward = config.image_reward if images else 1.0

    def measure(self, rewards: NDArray[np.float32]) -> None:
        """Count rewards from now on in the mean size of these (...), zeros aside, if it is small.

        Small is nearer to 0 than to the first bin: of such a reward two-hot's cross-entropy learns
        next to nothing, as nearly all that it is said stands on the bin at 0.
        """
        sizes = np.abs(rewards[rewards != 0])
        if len(sizes) and sizes.mean() < self.twohot.first / 2:
            self.reward_unit.fill_(float(sizes.mean()))

    def observe(self, batch: Batch, uniform: Tensor | None) -> States:
        """The states that the agents reach on a batch, from uniforms (T, B, A, K) [Eq. 1].

        Without uniforms every z is the likeliest.
        """
        embed = self.agent.embed(batch.obs).flatten(1, 2)  # (T, B A, F)
        uniform = None if uniform is None else uniform.flatten(1, 2)  # (T, B A, K)
        joined = batch.joined.repeat_interleave(batch.reward.shape[-1], 1)  # (T, B A)
        unrolled = self.agent.unroll(embed, batch.action.flatten(1, 2), joined, uniform)
        h, z, log_q = (x.unflatten(1, batch.reward.shape[1:]) for x in unrolled)
        return States(h, z, log_q)

    def loss(self, batch: Batch, states: States) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective and its terms, each a mean over the entries it is learnt from [Eq. 3]."""
        c, present = self.config, self.attended(batch)
        terms = {
            **self.latent_terms(states, present),
            **self.decoder_terms(batch, states, present),
        }
        weights = {"reward": batch.told, "cont": batch.told, "avail": batch.told * batch.seen}
        means = {
            name: (term * w).sum() / w.sum().clamp(min=1)
            for name, term in terms.items()
            for w in [weights.get(name, batch.seen)]
        }
        small = self.reward_unit < 1
        weight_reward = torch.where(small, c.small_rewards, self.weight_reward)
        decoder = self.weight_obs * means["obs"] + weight_reward * means["reward"]
        decoder = decoder + means["cont"] + means["avail"]
        kl = c.beta_dyn * means["dyn"] + c.beta_rep * means["rep"]
        return kl + c.beta_dec * decoder, means

    def attended(self, batch: Batch) -> Tensor | None:
        """Which agents (T, B, A) predictions are made from; all, where absence is a state."""
        return None if self.config.absorbing_state else batch.among

    def latent_terms(self, states: States, present: Tensor | None) -> dict[str, Tensor]:
        """Both KL terms (T, B, A), free bits per agent and step [Eqs. 4, 5, A.3]."""
        prior = self.environment.prior(states.h, present)  # (T, B, A, K, C)
        dyn, rep = balanced_kl(states.log_q, prior, self.config.free_nats)
        return {"dyn": dyn, "rep": rep}

    def decoder_terms(
        self, batch: Batch, states: States, present: Tensor | None
    ) -> dict[str, Tensor]:
        """Negative log-likelihoods (T, B, A) of what arrived at t [Eq. 6]."""
        env = self.environment
        context = env.context(states.h, present)  # (T, B, A, D)
        drawn = env.decode(states.h, states.z, states.log_q.exp())  # (T, B, A, *O)
        error = drawn - self.agent.target(batch.obs)
        cont, avail = env.cont(context).squeeze(-1), env.avail(context)
        avail_loss = F.binary_cross_entropy_with_logits(
            avail, batch.avail.to(avail.dtype), reduction="none"
        )  # (T, B, A, U)
        return {
            "obs": error.square().flatten(3).sum(-1),
            "reward": self.twohot.loss(env.reward(context), batch.reward / self.reward_unit),
            "cont": F.binary_cross_entropy_with_logits(
                cont, batch.cont.to(cont.dtype), reduction="none"
            ),
            "avail": avail_loss.sum(-1),
        }
