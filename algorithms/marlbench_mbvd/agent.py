"""MBVD, Xu et al. 2022, arXiv:2204.09418: QMIX whose mixer also sees an imagined future.

Q_a     utility of agent a, from its own history                   `online.utility`
s^_t    foresight: what a few imagined steps add to the state      `foresight`
Q_tot   joint value, monotonic in every Q_a, of s_t and s^_t       `online.mixer`
y_t     one-step targets by target networks                        `targets`
theta   weights that learn; theta^-, a copy of long ago            `online` and `model`; `target`

Acting, and when to learn and to copy, are every value learner's: `toolbox.value_learning`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from marlbench.plugin import EnvSpec
from marlbench.toolbox.episodes import Batch
from marlbench.toolbox.mixers import MonotonicMixer
from marlbench.toolbox.optimisers import RMSprop
from marlbench.toolbox.saving import Part, seeded
from marlbench.toolbox.training import descend
from marlbench.toolbox.utility import Utility
from marlbench.toolbox.value_learning import ValueNetworks
from marlbench_mbvd.config import MbvdConfig
from marlbench_mbvd.latent_model import LatentModel
from marlbench_mbvd.losses import Encoding, Noise, model_terms, transitions

__all__ = ["Mbvd"]


def networks(config: MbvdConfig, spec: EnvSpec) -> tuple[ValueNetworks, LatentModel]:
    """Build what values, as QMIX has it with a state twice as wide, and what imagines."""
    utility = Utility(spec, config.hidden, config.image_features)
    size, sizes = utility.state_features, (config.mixer_embed, config.mixer_hyper)
    mixer = MonotonicMixer(spec.num_agents, 2 * size, *sizes)
    return ValueNetworks(utility, mixer), LatentModel(config, spec, size)


class TargetPass(NamedTuple):
    """What the target networks make of a batch."""

    states: Tensor
    """(N, A, D) recurrent states."""
    q: Tensor
    """(N, A, U) utilities."""
    state: Tensor
    """(N, S) what their mixer sees, foresight apart."""


class Mbvd:
    """Value decomposition with foresight."""

    def __init__(self, config: MbvdConfig, spec: EnvSpec, seed: int, device: str) -> None:
        """Draw the weights from the seed; ValueError for observations of no known shape."""
        self.config, self.spec, self.seed = config, spec, seed
        self.device = torch.device(device)
        with seeded(seed):
            online, model = networks(config, spec)
        self.online, self.model = online.to(self.device), model.to(self.device)
        self.target = self.online.frozen()
        weights = [*self.online.parameters(), *self.model.parameters()]
        decay, eps = config.rmsprop_decay, config.rmsprop_eps
        self.optimiser = RMSprop(weights, config.learning_rate, decay, eps)
        self.generator = torch.Generator(self.device).manual_seed(seed)

    # --- learning -----------------------------------------------------------------------------

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Take one gradient step on a batch of episodes."""
        return self.descend(self.loss(batch, self.noise(batch)))

    def descend(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Take a gradient step on the sum of all terms, values and model together."""
        loss = torch.stack(list(terms.values())).sum()
        norm = descend(loss, self.optimiser, self.config.max_grad_norm)
        return {**terms, "loss": loss, "grad_norm": norm}

    def loss(self, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """Squared TD error of Q_tot [L_RL] and the latent model's terms, all of weight 1."""
        utility = self.online.utility
        embedding = utility.embed(batch.obs)  # (N, A, D)
        inputs = utility.inputs(embedding, batch.last_action)  # (N, A, I)
        states = utility.states(inputs, batch.sizes)  # (N, A, D)
        q = utility.values(states)  # (N, A, U)
        target = self.target_pass(batch, inputs)
        history = self.history(states, target)  # (N, A, D)
        encoding = Encoding(history, self.model.posterior(history))
        best = greedy(q, batch.avail)  # (N, A)
        foresight = self.foresight(encoding.posterior.mean, best)  # (N, S)
        q_a = q.gather(-1, batch.action[..., None]).squeeze(-1)[batch.steps]  # (M, A)
        parts = batch.seen_state(embedding), foresight  # (N, S) each
        state = torch.cat([part[batch.steps] for part in parts], -1)  # (M, 2 S)
        targets = self.targets(batch, target, best, foresight)  # (M, 1)
        error = self.online.mixer(q_a, state) - targets  # (M, 1)
        terms = model_terms(self.config, self.model, batch, encoding, noise)
        return {"td": error.square().mean(), **terms}

    @torch.no_grad()
    def target_pass(self, batch: Batch, inputs: Tensor) -> TargetPass:
        """Let the target networks read the batch; of vectors, the online ones' inputs (N, A, I)."""
        utility = self.target.utility
        embedding = utility.embed(batch.obs)  # (N, A, D)
        if utility.sees_images:
            inputs = utility.inputs(embedding, batch.last_action)  # (N, A, I)
        states = utility.states(inputs, batch.sizes)  # (N, A, D)
        return TargetPass(states, utility.values(states), batch.seen_state(embedding))

    def history(self, online: Tensor, target: TargetPass) -> Tensor:
        """Give the recurrent states (N, A, D) that the latent model describes.

        The copy takes the target network's and lets the backward pass go on into it, where the
        gradients reach weights that no optimiser has: they are not computed here.
        """
        if self.config.history == "target":
            return target.states
        return online if self.config.history_gradient else online.detach()

    @torch.no_grad()
    def targets(self, batch: Batch, target: TargetPass, best: Tensor, foresight: Tensor) -> Tensor:
        """Y (M, 1) = r + gamma Q_tot(s', s^', argmax by online, valued by target nets) [L_RL]."""
        first = batch.sizes[0]
        q_a = target.q.gather(-1, best[..., None]).squeeze(-1)  # (N, A)
        state = torch.cat([target.state, foresight], -1)  # (N, 2 S)
        value = self.target.mixer(q_a[first:], state[first:])  # (M, 1)
        return batch.targets(value, self.config.td_lambda)

    # --- imagining ----------------------------------------------------------------------------

    def foresight(self, latent: Tensor, action: Tensor) -> Tensor:
        """Give s^ (N, S), from latent states (N, J) and the first actions (N, A) on."""
        latents, _ = self.imagine(latent, action)
        return self.model.foresight(latents)

    def imagine(self, latent: Tensor, action: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Follow the prior's mean under greedy play: H + 1 latent states (N, J), H actions (N, A).

        Gradients go through the latent states, not through the choice of actions.
        """
        latents, actions = [latent], [action]
        for k in range(self.config.horizon):
            if k > 0:
                actions.append(self.imagined_action(latents[-1]))
            latents.append(self.model.expected_next(latents[-1], actions[-1]))
        return latents, actions

    @torch.no_grad()
    def imagined_action(self, latent: Tensor) -> Tensor:
        """Choose actions (N, A): the best by online values of the decoded histories."""
        q = self.online.utility.values(self.model.histories(latent))  # (N, A, U)
        return greedy(q, self.imagined_availability(latent))

    @torch.no_grad()
    def imagined_availability(self, latent: Tensor) -> Tensor:
        """Give actions (N, A, U) that are likelier available than not; if there is none, no-op.

        Departs: all of them in tasks that have no no-op, which the copy does not know.
        """
        available = self.model.availability(latent) >= 0
        none = ~available.any(-1, keepdim=True)  # (N, A, 1)
        noop = slice(None) if self.spec.noop is None else slice(self.spec.noop, self.spec.noop + 1)
        available[..., noop] |= none
        return available

    def noise(self, batch: Batch) -> Noise:
        """Draw the noise of an update."""
        latents = self.spec.num_agents * self.config.latent
        rows = (len(batch.action), len(transitions(batch, self.config.past_end).row))
        generator, device = self.generator, self.device
        return Noise(*(torch.randn(n, latents, generator=generator, device=device) for n in rows))

    def parts(self) -> dict[str, Part]:
        """Give what a checkpoint holds."""
        names = ("online", "target", "model", "optimiser", "generator")
        return {name: getattr(self, name) for name in names}


def greedy(q: Tensor, available: Tensor) -> Tensor:
    """Choose (N, A) the available action of the highest value (N, A, U)."""
    return q.detach().masked_fill(~available, -torch.inf).argmax(-1)
