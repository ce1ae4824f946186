"""The world model: a recurrence in which agents attend to each other, and its loss.

Term               what it asks for                               where
KL                 a prior that foresees the posterior            `WorldModel.divergence`
reconstruction     z, h tell what is seen                         `WorldModel.loss`
reward, end        z_t, h_{t+1} tell what the action did          `WorldModel.loss`
availability       z, h tell what can be done                     `WorldModel.loss`
information        z, h tell what was done                        `WorldModel.loss`
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.plugin import EnvSpec
from marlbench.toolbox.gru import gru_gates
from marlbench.toolbox.latents import class_rows, sample_classes, straight_through_rows
from marlbench.toolbox.linear import linear
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.divergence import balanced_divergence
from marlbench_mamba.networks import (
    Decoder,
    Dense,
    Encoder,
    Head,
    Posterior,
    StateReader,
    Transition,
)
from marlbench_mamba.replay import Batch


@dataclass(frozen=True)
class States:
    """The agents' states over a batch of windows."""

    h: Tensor
    """(T, B, A, D) deterministic; the last row knows of no observation."""
    z: Tensor
    """(T-1, B, A, K) class indices."""
    probs: Tensor
    """(T-1, B, A, K, C) of the posterior that z was drawn from."""


class WorldModel(nn.Module):
    """Everything but actor and critic."""

    def __init__(self, config: MambaConfig, spec: EnvSpec) -> None:
        super().__init__()
        self.config, self.images = config, spec.obs_dtype == "uint8"
        self.encoder = Encoder(config, spec)
        self.transition = Transition(config, spec)
        self.posterior = Posterior(config)
        self.reader = StateReader(config, heads=4)  # observation, availability, reward, end
        self.decoder = Decoder(config, spec)
        self.avail = Head(config, spec.num_actions)
        self.reward = Head(config, 1)
        self.cont = Head(config, 1)
        self.tell_hidden = nn.ModuleList(Dense(config.hidden, config.hidden) for _ in range(2))
        self.tell = Dense(config.hidden, spec.num_actions)

    def observe(self, batch: Batch, uniform: Tensor | None, keep: Tensor | None = None) -> States:
        """The states that a batch leads to, from uniforms (T-1, B, A, K); None: the likeliest.

        `keep` are dropout's factors of T transitions. Only what is sequential stands in the loop;
        the products of h with the weights of the cell and of the posterior are one product.
        """
        steps, windows, agents = batch.reward.shape
        read_e = self.posterior.read(self.encoder(batch.obs[:-1])).flatten(1, 2)  # (T-1, N, F)
        goes_on = (1 - batch.last[:-1]).repeat_interleave(agents, 1)  # (T-1, N)
        uniform = None if uniform is None else uniform.flatten(1, 2)  # (T-1, N, K)
        unrolled = self.unroll(read_e, batch.action.flatten(1, 2), goes_on, uniform, keep)
        h, z, probs = (x.unflatten(1, (windows, agents)) for x in unrolled)
        assert len(h) == steps
        return States(h, z, probs)

    def unroll(
        self,
        read_e: Tensor,
        action: Tensor,
        goes_on: Tensor,
        uniform: Tensor | None,
        keep: Tensor | None,
    ) -> tuple[Tensor, ...]:
        """H (T, N, D), z (T-1, N, K) and posteriors (T-1, N, K, C) of windows, N = B A tokens.

        Behind an episode's last step the state is zero, though not the action [code].
        """
        transition, gru = self.transition, self.transition.gru
        read_a = class_rows(action.unsqueeze(-1), transition.weight_a) + transition.bias
        merged = torch.cat([gru.weight_hh, self.posterior.weight_h])  # (3 D + F, D)
        sizes = [len(gru.weight_hh), len(self.posterior.weight_h)]
        no_bias = merged.new_zeros(len(merged))
        h = merged.new_zeros(action.shape[1], gru.hidden_size)
        gates_h, read_z = gru.bias_hh.expand(len(h), -1), torch.zeros_like(read_a[0])
        states, samples, posteriors = [], [], []
        seen = read_e.unbind(0)  # T-1 times (N, F); one backward pass for all
        for t, read_a_t in enumerate(read_a.unbind(0)):
            heard = transition.heard(read_a_t + read_z, None if keep is None else keep[t])
            h = gru_gates(linear(heard, gru.weight_ih, gru.bias_ih), gates_h, h)
            states.append(h)
            if t == len(seen):
                break
            gates_h, read_h = linear(h, merged, no_bias).split(sizes, -1)
            logits = self.posterior.logits(read_h + seen[t])
            probs = logits.unflatten(-1, (self.config.latents, -1)).softmax(-1)  # (N, K, C)
            z = sample_classes(probs, None if uniform is None else uniform[t])
            on = goes_on[t, :, None]
            h, read_z = h * on, straight_through_rows(z, probs, transition.weight_z) * on
            gates_h = torch.addcmul(gru.bias_hh, gates_h, on)
            samples.append(z)
            posteriors.append(probs)
        return torch.stack(states), torch.stack(samples), torch.stack(posteriors)

    def loss(self, batch: Batch, states: States) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective, a sum of six terms of equal weight, and the terms.

        Reward and end are read from (z_t, h_{t+1}), the first state that knows the action.
        """
        h, after = states.h[:-1], states.h[1:]  # (T-1, B, A, D)
        to_obs, to_avail, to_reward, to_cont = self.read(h, after, states)
        drawn, features = self.decoder(to_obs)
        cont = batch.cont[1:, :, None].expand(h.shape[:-1])  # (T-1, B, A)
        real = batch.real[:, :, None].expand(batch.reward.shape)  # (T, B, A)
        error = F.smooth_l1_loss(drawn, self.target(batch.obs[:-1]), reduction="none")
        avail = F.binary_cross_entropy_with_logits(
            self.avail(to_avail), batch.avail[:-1].float(), reduction="none"
        )  # (T-1, B, A, U)
        terms = {
            "kl": self.divergence(states),
            "reward": F.smooth_l1_loss(self.reward(to_reward).squeeze(-1), batch.reward[1:]),
            "information": self.information(features[1:], batch.action[1:-1], real[1:-1]),
            "reconstruction": (error.flatten(3).sum(-1) * real[:-1]).mean(),
            "cont": F.binary_cross_entropy_with_logits(self.cont(to_cont).squeeze(-1), cont),
            "avail": avail.sum(-1).mean(),
        }
        return torch.stack(list(terms.values())).sum(), terms

    def read(self, h: Tensor, after: Tensor, states: States) -> tuple[Tensor, ...]:
        """What the four heads' first layers make of z and of h or of the h after it."""
        reader, half = self.reader, 2 * self.config.hidden
        from_z = straight_through_rows(states.z, states.probs, reader.weight_z)  # (T-1, B, A, 4 F)
        from_h = linear(h, reader.weight_h[:half], reader.bias[:half])
        from_after = linear(after, reader.weight_h[half:], reader.bias[half:])
        now, then = from_z.split(half, -1)
        return (*(now + from_h).chunk(2, -1), *(then + from_after).chunk(2, -1))

    def decode(self, states: States) -> Tensor:
        """Observations (T-1, B, A, *O) as the decoder draws them, images around [0, 1]."""
        to_obs, *_ = self.read(states.h[:-1], states.h[1:], states)
        drawn, _ = self.decoder(to_obs)
        return drawn

    def target(self, obs: Tensor) -> Tensor:
        """Observations (..., *O) as the decoder draws them."""
        return obs.float() / 255 if self.images else obs

    def information(self, features: Tensor, action: Tensor, real: Tensor) -> Tensor:
        """Cross-entropy of the actions that led here, told by the decoder's features (T-2, ...)."""
        first, second = self.tell_hidden
        logits = self.tell(F.relu(second(F.elu(first(features)))))  # (T-2, B, A, U)
        missed = F.cross_entropy(logits.flatten(0, -2), action.flatten(), reduction="none")
        return (real.flatten() * missed).mean()

    def divergence(self, states: States) -> Tensor:
        """KL(q||p), a mean over everything but the classes, its gradient split by `kl_balance`."""
        prior = self.transition.prior(states.h[:-1]).view_as(states.probs)
        return balanced_divergence(states.probs, prior, self.config.kl_balance)
