"""What MBVD imagines with: a latent model of the agents' recurrent states.

h^i      recurrent state of agent i, its history                  argument `history`
z^i, z   latent state of agent i; of all agents side by side      `latent`
q(z|h)   posterior, agent by agent                                `posterior`
p(z'|z,a) prior: the next joint state from state and actions      `prior`
h', A'   histories and available actions decoded of z             `histories`, `availability`
s^       what an imagined trajectory adds to the state            `foresight`

`J` is the size of a joint latent state: agents times latent size.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from marlbench.plugin import EnvSpec
from marlbench.toolbox.gru import PackedGRU
from marlbench.toolbox.linear import Perceptron, linear
from marlbench.toolbox.onehots import one_hot
from marlbench_mbvd.config import MbvdConfig

__all__ = ["Gaussian", "LatentModel"]


class Gaussian(NamedTuple):
    """Independent normal distributions (..., J)."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Give the sample (..., J) that standard normal noise (..., J) decides."""
        return self.mean + noise * (0.5 * self.log_variance).exp()


class LatentModel(nn.Module):
    """Posterior, prior, their decoders and the encoder of trajectories [code: model.py@0cac5dd]."""

    def __init__(self, config: MbvdConfig, spec: EnvSpec, state_features: int) -> None:
        """Build for the task's shapes; foresight has as many features as the state."""
        super().__init__()
        agents, hidden, joint = spec.num_agents, config.model_hidden, config.joint_hidden
        latents = agents * config.latent
        embedded = hidden + agents * config.action_embed
        self.num_agents, self.none = agents, spec.num_actions
        self.positive = config.positive_histories
        self.joint_encoder = Perceptron(latents, joint, hidden)
        self.action_encoder = nn.Linear(spec.num_actions, config.action_embed)
        self.prior_encoder = Perceptron(embedded, hidden, hidden)
        self.prior_head = GaussianHead(hidden, latents)
        self.latent_decoder = Perceptron(latents, joint, latents)
        self.action_decoders = Perceptrons(agents, latents, hidden, spec.num_actions)
        self.history_encoder = nn.Linear(config.hidden, hidden)
        self.posterior_head = GaussianHead(hidden, config.latent)
        self.history_decoder = Perceptron(config.latent, hidden, config.hidden)
        self.availability_decoder = Perceptron(config.latent, hidden, spec.num_actions)
        self.trajectory_encoder = PackedGRU(latents, state_features)

    # --- posterior ----------------------------------------------------------------------------

    def posterior(self, history: Tensor) -> Gaussian:
        """q(z|h) of recurrent states (N, A, D): each agent's from its own history alone."""
        encoder = self.history_encoder
        hidden = linear(history, encoder.weight, encoder.bias, "relu")  # (N, A, D)
        mean, log_variance = self.posterior_head(hidden)  # (N, A, L)
        return Gaussian(mean.flatten(1), log_variance.flatten(1))  # (N, J)

    def histories(self, latent: Tensor) -> Tensor:
        """Recurrent states (N, A, D) that latent states (N, J) stand for."""
        history = self.history_decoder(self.each(latent))  # (N, A, D)
        return history.relu() if self.positive else history

    def availability(self, latent: Tensor) -> Tensor:
        """Log-odds (N, A, U) that actions are available in latent states (N, J)."""
        return self.availability_decoder(self.each(latent))

    def each(self, latent: Tensor) -> Tensor:
        """Agent by agent (N, A, L), of joint latent states (N, J)."""
        return latent.unflatten(-1, (self.num_agents, -1))

    # --- prior --------------------------------------------------------------------------------

    def prior(self, latent: Tensor, action: Tensor) -> Gaussian:
        """p(z'|z,a) after latent states (N, J) and actions (N, A); U: no action yet."""
        return self.prior_head(self.transition(latent, action))

    def expected_next(self, latent: Tensor, action: Tensor) -> Tensor:
        """The prior's mean (N, J), which is what is imagined."""
        head = self.prior_head.mean
        return linear(self.transition(latent, action), head.weight, head.bias)

    def transition(self, latent: Tensor, action: Tensor) -> Tensor:
        """What the prior reads (N, D) of latent states (N, J) and actions (N, A)."""
        chosen = one_hot(action, self.action_encoder.in_features)  # (N, A, U)
        embedded = self.action_encoder(chosen).flatten(1)  # (N, A D)
        return self.prior_encoder(torch.cat([self.joint_encoder(latent), embedded], -1))

    def previous_latent(self, latent: Tensor) -> Tensor:
        """The joint latent states (N, J) that came before those (N, J)."""
        return self.latent_decoder(latent)

    def previous_action(self, latent: Tensor) -> Tensor:
        """Logits (N, A, U) of the actions that led to latent states (N, J)."""
        return self.action_decoders(latent)

    # --- trajectories -------------------------------------------------------------------------

    def foresight(self, latents: list[Tensor]) -> Tensor:
        """s^ (N, S) of a trajectory of latent states (N, J), read from its end to its beginning."""
        rows = len(latents[0])
        states = self.trajectory_encoder.unroll(torch.cat(latents[::-1]), [rows] * len(latents))
        return states[-rows:]


class GaussianHead(nn.Module):
    """Two linear maps, to mean and log-variance."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Build for vectors of `inputs` features."""
        super().__init__()
        self.mean = nn.Linear(inputs, outputs)
        self.log_variance = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Gaussian:
        """Give distributions (..., D) of vectors (..., I), by one product for both."""
        weight = torch.cat([self.mean.weight, self.log_variance.weight])  # (2 D, I)
        bias = torch.cat([self.mean.bias, self.log_variance.bias])  # (2 D,)
        return Gaussian(*linear(x, weight, bias).chunk(2, -1))


class Perceptrons(nn.Module):
    """A Linear, ReLU, Linear for each agent, all reading the same vectors."""

    def __init__(self, agents: int, inputs: int, hidden: int, outputs: int) -> None:
        """Build for vectors of `inputs` features, each agent's weights drawn alone."""
        super().__init__()
        self.first = nn.Linear(inputs, agents * hidden)
        lasts = [nn.Linear(hidden, outputs) for _ in range(agents)]
        self.weight = nn.Parameter(torch.stack([last.weight.detach().t() for last in lasts]))
        self.bias = nn.Parameter(torch.stack([last.bias.detach() for last in lasts]))

    def forward(self, x: Tensor) -> Tensor:
        """Give vectors (N, A, D) of vectors (N, I), by products for each agent alone.

        They are narrow: as one batched product the second layer takes thrice as long.
        """
        first = (part.unflatten(0, (len(self.bias), -1)) for part in self.first.parameters())
        layers = zip(*first, self.weight.mT, self.bias, strict=True)
        return torch.stack(
            [linear(linear(x, w1, b1, "relu"), w2, b2) for w1, b1, w2, b2 in layers], 1
        )
