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
from marlbench_mamba.heads import Heads, Told
from marlbench_mamba.networks import (
    Dense,
    Encoder,
    Posterior,
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
        self.heads = Heads(config, spec)
        self.tell_hidden = nn.ModuleList(Dense(config.hidden, config.hidden) for _ in range(2))
        self.tell = Dense(config.hidden, spec.num_actions)

    # One step: the verbs of acting and of imagination

    def next(self, h: Tensor, z: Tensor, action: Tensor, fresh: Tensor | None = None) -> Tensor:
        """H' (..., A, D) of all agents' h (..., A, D), z (..., A, K) and actions (..., A).

        Where `fresh` (..., 1, 1) an episode begins: nothing came before.
        """
        return self.transition(h, z, action, fresh)

    def infer(self, h: Tensor, obs: Tensor) -> Tensor:
        """q(z|h,e) (..., K, C) of h (..., D) and the observations (..., *O) that come with it."""
        return self.classes(self.posterior(h, self.posterior.read(self.encoder(obs))))

    def foresee(self, h: Tensor) -> Tensor:
        """p(z|h) (..., K, C) of h (..., D)."""
        return self.classes(self.transition.prior(h))

    def classes(self, logits: Tensor) -> Tensor:
        """Probabilities (..., K, C) of flat logits (..., K*C)."""
        return logits.unflatten(-1, (self.config.latents, -1)).softmax(-1)

    # Windows: the same, with all that is not sequential at once

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
            probs = self.classes(self.posterior.logits(read_h + seen[t]))  # (N, K, C)
            z = sample_classes(probs, None if uniform is None else uniform[t])
            on = goes_on[t, :, None]
            h, read_z = h * on, straight_through_rows(z, probs, transition.weight_z) * on
            gates_h = torch.addcmul(gru.bias_hh, gates_h, on)
            samples.append(z)
            posteriors.append(probs)
        return torch.stack(states), torch.stack(samples), torch.stack(posteriors)

    def loss(self, batch: Batch, states: States) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective, a sum of six terms of equal weight, and the terms.

        The observation of an absorbing row is not asked for.
        """
        told = self.told(states)
        cont = batch.cont[1:, :, None].expand_as(told.cont)  # (T-1, B, A)
        real = batch.real[:, :, None].expand(batch.reward.shape)  # (T, B, A)
        error = F.smooth_l1_loss(told.obs, self.target(batch.obs[:-1]), reduction="none")
        avail = F.binary_cross_entropy_with_logits(
            told.avail, batch.avail[:-1].float(), reduction="none"
        )  # (T-1, B, A, U)
        terms = {
            "kl": self.divergence(states),
            "reward": F.smooth_l1_loss(told.reward, batch.reward[1:]),
            "information": self.information(told.features[1:], batch.action[1:-1], real[1:-1]),
            "reconstruction": (error.flatten(3).sum(-1) * real[:-1]).mean(),
            "cont": F.binary_cross_entropy_with_logits(told.cont, cont),
            "avail": avail.sum(-1).mean(),
        }
        return torch.stack(list(terms.values())).sum(), terms

    def told(self, states: States) -> Told:
        """What the heads say of T-1 states: of z and h, of z and the h after it."""
        return self.heads(states.h[:-1], states.h[1:], states.z, states.probs)

    def target(self, obs: Tensor) -> Tensor:
        """Observations (..., *O) as the decoder draws them."""
        return obs.float() / 255 if self.images else obs

    def as_seen(self, drawn: Tensor) -> Tensor:
        """What the decoder draws (..., *O) in the task's own units: the inverse of `target`."""
        return 255 * drawn if self.images else drawn

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
