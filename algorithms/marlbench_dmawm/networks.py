"""The paper's modules as layers: agent, environment, actor, critic [sections 4.1, 4.3, A.3].

Symbol      meaning                                              name
psi         agent module, shared by the agents, local inputs     `AgentModule`
f           recurrent model                             [Eq. 1]  `AgentModule.recurrent`
q           representation model                        [Eq. 1]  `AgentModule.posterior`
phi         environment module, couples the agents               `EnvironmentModule`
p(z|h)      interaction predictor                       [Eq. 2]  `EnvironmentModule.prior`
p(o|h,z)    observation decoder                         [Eq. 2]  `EnvironmentModule.decode`
p(r,c,m|h)  reward, continuation, available actions     [Eq. 2]  `EnvironmentModule.context`, heads
pi          actor, shared by the agents                          `Actor`
v           centralised critic, reads h only                     `Critic`
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from marlbench.plugin import EnvSpec
from marlbench.toolbox.latents import LatentLinear, latent_log_probs, sample_classes
from marlbench.toolbox.networks import NormGRU, NormSiLU, hidden_layers, initialise, mlp
from marlbench.toolbox.policies import masked_log_probs
from marlbench.toolbox.vision import CellDecoder, CellEncoder
from marlbench_dmawm.attention import AgentTransformer
from marlbench_dmawm.config import Config
from marlbench_dmawm.twohot import TwoHot, symlog


class AgentModule(nn.Module):
    """One agent's own state from its own history: decentralised by construction [Eq. 1]."""

    mean_image: Tensor
    """(*O,) the mean picture; none where observations are vectors."""

    def __init__(self, config: Config, spec: EnvSpec) -> None:
        super().__init__()
        self.config = config
        units, deter = config.units, config.deter
        self.images = spec.obs_dtype == "uint8"
        self.encoder, features = observation_encoder(config, spec)
        self.read_obs = initialise(nn.Linear(features, units, bias=False))
        mean = torch.zeros(spec.obs_shape) if self.images else None
        self.register_buffer("mean_image", mean)  # what `centre` found
        self.read_latent = LatentLinear(config.latents, config.classes, units)
        # Unit variance, several times what z gives: a weak action is learned late or never, and
        # the heads, which know a_t through h_{t+1} alone, then reward all actions alike.
        self.read_action = nn.Embedding(spec.num_actions, units)
        self.input = NormSiLU(units)
        self.gru = NormGRU(units, deter)
        self.read_state = initialise(nn.Linear(deter, units, bias=False))
        self.posterior_hidden = NormSiLU(units)
        self.posterior_out = initialise(nn.Linear(units, config.latents * config.classes))

    def centre(self, images: NDArray[np.uint8]) -> None:
        """Read and decode pictures from now on as what sets them apart from the mean of these.

        (..., *O). Pixels that are always the same would otherwise be learnt through the weights
        that tell pictures apart, all of them at once.
        """
        mean = images.mean(tuple(range(images.ndim - 3))) / 255  # (*O,)
        self.mean_image.copy_(torch.from_numpy(mean))

    def squash(self, obs: Tensor) -> Tensor:
        """Observations (..., *O) as they are read and decoded."""
        if self.images:
            return obs.float() / 255 - self.mean_image
        return symlog(obs) if self.config.symlog_obs else obs

    def embed(self, obs: Tensor) -> Tensor:
        """What the posterior reads of observations (..., *O): (..., F). Stateless, so hoisted."""
        return self.read_obs(self.encoder(self.squash(obs)))

    def recurrent(self, h: Tensor, read: Tensor) -> Tensor:
        """h_t = f(h_{t-1}, z_{t-1}, a_{t-1}) (N, D), z and a read and summed (N, F) [Eq. 1]."""
        return self.gru(self.input(read), h)

    def first_state(self, n: int) -> Tensor:
        """H of an episode's first step, f(0, 0, 0): (N, D)."""
        weight = self.read_state.weight  # (F, D)
        return self.recurrent(
            weight.new_zeros(n, weight.shape[1]), weight.new_zeros(n, len(weight))
        )

    def posterior(self, read: Tensor) -> Tensor:
        """Log q(z_t | h_t, o_t) (N, K, C), h and o read and summed (N, F) [Eq. 1]."""
        logits = self.posterior_out(self.posterior_hidden(read))
        return latent_log_probs(logits, self.config.latents, self.config.unimix)

    def drawn(self, probs: Tensor, uniform: Tensor | None) -> Tensor:
        """Classes z (..., K) of q or p (..., K, C), inverted at uniform numbers (..., K).

        Below a temperature of 1 a sample is surer than its distribution, whose softmax, through
        which the gradient goes straight, need not be: Shah et al. 2024, arXiv:2410.13331.
        """
        power = 1 / self.config.latent_temperature
        if power != 1:
            probs = (probs / probs.amax(-1, keepdim=True)) ** power  # any sum will do
        return sample_classes(probs, uniform)

    def unroll(self, embed: Tensor, action: Tensor, uniform: Tensor | None) -> tuple[Tensor, ...]:
        """States h (T, N, D), classes z (T, N, K) and log q (T, N, K, C) of T steps [Eq. 1].

        From embedded observations (T, N, F), actions (T, N) and uniform numbers (T, N, K), without
        which z is the likeliest. Only what is sequential stands in the loop, and the products of
        h with the weights of the cell and of the posterior are one product.
        """
        read_action = self.read_action(action[:-1]).unbind(0)  # T-1 times (N, F)
        merged = torch.cat([self.gru.weight_h, self.read_state.weight])  # (3D + F, D)
        sizes = [len(self.gru.weight_h), len(self.read_state.weight)]
        h = self.first_state(embed.shape[1])
        states, samples, posteriors = [], [], []
        for t, embed_t in enumerate(embed.unbind(0)):
            gates_h, read_h = F.linear(h, merged).split(sizes, -1)
            log_q = self.posterior(read_h + embed_t)
            probs = log_q.exp()  # (N, K, C)
            z = self.drawn(probs.detach(), None if uniform is None else uniform[t])  # (N, K)
            states.append(h)
            samples.append(z)
            posteriors.append(log_q)
            if t < len(read_action):
                x = self.input(self.read_latent(z, probs) + read_action[t])
                h = self.gru.gates(F.linear(x, self.gru.weight_x) + gates_h, h)
        return torch.stack(states), torch.stack(samples), torch.stack(posteriors)


class AppendOne(nn.Module):
    """A constant beside the observation: LayerNorm(W x) alone is the same for x and for 2 x.

    Without it no distance can be read off a vector of relative positions.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., O) to (..., O + 1)."""
        return F.pad(x, (0, 1), value=1.0)


def observation_encoder(config: Config, spec: EnvSpec) -> tuple[nn.Module, int]:
    """A CNN for images, a perceptron for vectors: (..., *O) to (..., F), and F [section 5.1]."""
    if spec.obs_dtype != "uint8":
        (features,) = spec.obs_shape
        layers = hidden_layers(features + 1, config.units, config.encoder_layers)
        return nn.Sequential(AppendOne(), *layers), config.units
    trunk = CellEncoder(spec.obs_shape)
    return trunk, trunk.features


def observation_decoder(config: Config, spec: EnvSpec) -> nn.Module:
    """What turns features (..., F) into observations (..., *O), images by a transposed CNN."""
    if spec.obs_dtype != "uint8":
        return initialise(nn.Linear(config.decoder_units, spec.obs_shape[0]))
    features = CellEncoder(spec.obs_shape).features
    return nn.Sequential(nn.Linear(config.decoder_units, features), CellDecoder(spec.obs_shape))


class StateReader(nn.Module):
    """A perceptron that reads an agent's (h, z)."""

    def __init__(self, config: Config, units: int, layers: int) -> None:
        super().__init__()
        self.read_state = initialise(nn.Linear(config.deter, units, bias=False))
        self.read_latent = LatentLinear(config.latents, config.classes, units)
        self.norm = NormSiLU(units)
        self.rest = nn.Sequential(*hidden_layers(units, units, layers - 1)) if layers > 1 else None

    def forward(self, h: Tensor, z: Tensor, probs: Tensor | None = None) -> Tensor:
        """Features (..., F) of h (..., D), class indices z (..., K), their probs (..., K, C)."""
        read = self.norm(self.read_state(h) + self.read_latent(z, probs))
        return read if self.rest is None else self.rest(read)


def transformer(config: Config, spec: EnvSpec) -> AgentTransformer:
    """The encoder over the n tokens h^{1:n} that predictor, heads and critic each have [A.3]."""
    width, feedforward = config.deter, config.feedforward * config.deter
    return AgentTransformer(spec.num_agents, width, config.layers, config.heads, feedforward)


class EnvironmentModule(nn.Module):
    """What couples the agents in imagination, in place of the environment [Eq. 2, A.3]."""

    def __init__(self, config: Config, spec: EnvSpec) -> None:
        super().__init__()
        self.config = config
        deter, units, layers = config.deter, config.decoder_units, config.decoder_layers
        self.predictor = transformer(config, spec)
        self.predictor_out = mlp(deter, units, config.latents * config.classes, layers)
        self.context = transformer(config, spec)
        self.reward = mlp(deter, units, config.bins, layers, out_scale=0.0)
        self.cont = mlp(deter, units, 1, layers)
        self.avail = mlp(deter, units, spec.num_actions, layers)
        self.decoder = StateReader(config, units, layers)
        self.decoder_out = observation_decoder(config, spec)

    def prior(self, h: Tensor) -> Tensor:
        """Log p(z_t | h_t^{1:n}) (..., A, K, C), from all agents' h (..., A, D) [Eq. 2]."""
        logits = self.predictor_out(self.predictor(h))
        return latent_log_probs(logits, self.config.latents, self.config.unimix)

    def decode(self, h: Tensor, z: Tensor, probs: Tensor | None = None) -> Tensor:
        """Predicted observations (..., *O), squashed, from own h and z [Eq. 2]."""
        return self.decoder_out(self.decoder(h, z, probs))


class Actor(nn.Module):
    """pi(a_t | h_t, z_t), shared by the agents, over the available actions [section 4.1]."""

    def __init__(self, config: Config, spec: EnvSpec) -> None:
        super().__init__()
        self.unimix = config.unimix
        self.reader = StateReader(config, config.units, config.actor_layers)
        self.out = initialise(nn.Linear(config.units, spec.num_actions), scale=0.01)

    def forward(self, h: Tensor, classes: Tensor, avail: Tensor) -> Tensor:
        """Log-probabilities (..., U) from h (..., D), z (..., K) and avail (..., U)."""
        return masked_log_probs(self.out(self.reader(h, classes)), avail, self.unimix)


class Critic(nn.Module):
    """v^i(h_t^{1:n}), from all agents' deterministic states [section 4.3]."""

    def __init__(self, config: Config, spec: EnvSpec) -> None:
        super().__init__()
        self.encoder = transformer(config, spec)
        self.out = mlp(config.deter, config.units, config.bins, config.critic_layers, 0.0)
        self.twohot = TwoHot(config.bins)

    def forward(self, h: Tensor) -> Tensor:
        """Two-hot logits (..., A, bins) from h (..., A, D)."""
        return self.out(self.encoder(h))

    def value(self, h: Tensor) -> Tensor:
        """Values (..., A)."""
        return self.twohot.mean(self(h))
