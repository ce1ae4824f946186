"""The paper's modules as layers: agent, environment, actor, critic [sections 4.1, 4.3, A.3].

Symbol      meaning                                              name
psi         agent module, shared by the agents, local inputs     `AgentModule`
f           recurrent model                             [Eq. 1]  `AgentModule.next`
q           representation model                        [Eq. 1]  `AgentModule.infer`
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
from marlbench.toolbox.decisions import Box, Policy, decision
from marlbench.toolbox.latents import LatentLinear, latent_log_probs, sample_classes
from marlbench.toolbox.networks import NormGRU, NormSiLU, hidden_layers, initialise, mlp
from marlbench.toolbox.vision import CellDecoder, CellEncoder
from marlbench_dmawm.attention import AgentTransformer
from marlbench_dmawm.config import Config
from marlbench_dmawm.eyes import DeepDecoder, DeepEncoder
from marlbench_dmawm.twohot import TwoHot, symexp, symlog


class ClassReader(nn.Module):
    """A normalised layer that reads what is given as class indices, z."""

    def __init__(self, categoricals: int, classes: int, units: int) -> None:
        super().__init__()
        self.linear = LatentLinear(categoricals, classes, units)
        self.norm = NormSiLU(units)

    def forward(self, classes: Tensor, probs: Tensor | None = None) -> Tensor:
        """Features (..., F) of class indices (..., K).

        Gradients pass straight through the sample to probs (..., K, C) [section 4.2].
        """
        return self.norm(self.linear(classes, probs))

    def nothing(self) -> Tensor:
        """Features (F,) of no class at all."""
        return self.norm(self.linear.weight.new_zeros(self.linear.weight.shape[1]))


class ActionReader(ClassReader):
    """The same for an action's index."""

    def __init__(self, num_actions: int, units: int) -> None:
        super().__init__(1, num_actions, units)

    def forward(self, classes: Tensor, probs: Tensor | None = None) -> Tensor:
        """Features (..., F) of actions (...)."""
        return super().forward(classes[..., None], probs)


class NumbersReader(nn.Module):
    """A normalised layer that reads an action of numbers, as the environment plays it."""

    def __init__(self, bounds: tuple[tuple[float, float], ...], units: int) -> None:
        super().__init__()
        self.box = Box(bounds).requires_grad_(False)
        self.linear = initialise(nn.Linear(len(bounds) + 1, units, bias=False))
        self.norm = NormSiLU(units)

    def forward(self, actions: Tensor) -> Tensor:
        """Features (..., F) of actions (..., U)."""
        return self.norm(self.linear(append_one(self.box.played(actions))))

    def nothing(self) -> Tensor:
        """Features (F,) of no action at all."""
        return self.norm(self.linear.weight.new_zeros(len(self.linear.weight)))


def action_reader(spec: EnvSpec, units: int) -> ActionReader | NumbersReader:
    """Give what turns actions (..., *) into features (..., F)."""
    if spec.actions == "box":
        return NumbersReader(spec.bounds, units)
    return ActionReader(spec.num_actions, units)


class AgentModule(nn.Module):
    """One agent's own state from its own history: decentralised by construction [Eq. 1].

    z and the action enter f by a normalised reader each: summed before one normalisation, an
    action of usual size drowns what is newly seen [code: world_model.py].
    """

    mean_image: Tensor
    """(*O,) what pictures are read and decoded around; none where observations are vectors."""

    def __init__(self, config: Config, spec: EnvSpec) -> None:
        super().__init__()
        self.config = config
        units, deter = config.units, config.deter
        self.images = spec.obs_dtype == "uint8"
        self.encoder, features = observation_encoder(config, spec)
        mean = torch.full(spec.obs_shape, 0.5) if self.images else None
        self.register_buffer("mean_image", mean)
        self.read_latent = ClassReader(config.latents, config.classes, units)
        self.read_action = action_reader(spec, units)
        self.gru = NormGRU(2 * units, deter)
        self.read_obs = initialise(nn.Linear(features, units, bias=False))
        self.read_state = initialise(nn.Linear(deter, units, bias=False))
        self.posterior_hidden = nn.Sequential(
            NormSiLU(units), *hidden_layers(units, units, config.posterior_layers - 1)
        )
        self.posterior_out = initialise(nn.Linear(units, config.latents * config.classes))

    def centre(self, images: NDArray[np.uint8]) -> None:
        """Read and decode pictures from now on as what sets them apart from the mean of these.

        (..., *O). Pixels that are always the same would otherwise be learnt through the weights
        that tell pictures apart, all of them at once.
        """
        mean = images.mean(tuple(range(images.ndim - 3))) / 255  # (*O,)
        self.mean_image.copy_(torch.from_numpy(mean))

    def target(self, obs: Tensor) -> Tensor:
        """Observations (..., *O) as they are decoded."""
        return obs.float() / 255 - self.mean_image if self.images else symlog(obs)

    def as_seen(self, decoded: Tensor) -> Tensor:
        """Decoded observations (..., *O) in the task's own units: the inverse of `target`."""
        return (decoded + self.mean_image) * 255 if self.images else symexp(decoded)

    def embed(self, obs: Tensor) -> Tensor:
        """What the posterior reads of observations (..., *O): (..., F). Stateless, so hoisted."""
        squashed = self.images or self.config.symlog_input
        return self.read_obs(self.encoder(self.target(obs) if squashed else obs))

    def next(self, h: Tensor, z: Tensor, action: Tensor) -> Tensor:
        """h_t = f(h_{t-1}, z_{t-1}, a_{t-1}): (..., D), (..., K), (..., *) to (..., D) [Eq. 1]."""
        read = torch.cat([self.read_latent(z), self.read_action(action)], -1)
        return self.gru(read, h)

    def first_state(self) -> Tensor:
        """H (D,) of an episode's first step, f of nothing."""
        read = torch.cat([self.read_latent.nothing(), self.read_action.nothing()])
        return self.gru(read, read.new_zeros(self.config.deter))

    def infer(self, h: Tensor, embedding: Tensor) -> Tensor:
        """Log q(z_t | h_t, o_t) (..., K, C) of h (..., D) and embedding (..., F) [Eq. 1]."""
        return self.posterior(self.read_state(h) + embedding)

    def posterior(self, read: Tensor) -> Tensor:
        """Log q (..., K, C) of h and o, read and summed (..., F)."""
        logits = self.posterior_out(self.posterior_hidden(read))
        return latent_log_probs(logits, self.config.latents, self.config.unimix)

    def unroll(
        self, embed: Tensor, action: Tensor, joined: Tensor, uniform: Tensor | None
    ) -> tuple[Tensor, ...]:
        """States h (T, N, D), classes z (T, N, K) and log q (T, N, K, C) of T steps [Eq. 1].

        From embedded observations (T, N, F), actions (T, N, *), where states begin anew (T, N) and
        uniform numbers (T, N, K), without which z is the likeliest. It is `next` and `infer` in
        turn, fused: only what is sequential stands in the loop, and the products of h with the
        weights of the cell and of the posterior are one product.
        """
        weight_z, weight_a = self.gru.weight_x.split(self.config.units, 1)  # (3D, F) each
        from_action = F.linear(self.read_action(action[:-1]), weight_a).unbind(0)
        merged = torch.cat([self.gru.weight_h, self.read_state.weight])  # (3D + F, D)
        sizes = [len(self.gru.weight_h), len(self.read_state.weight)]
        first = self.first_state()
        h = first.expand(embed.shape[1], -1)
        states, samples, posteriors = [], [], []
        for t, embed_t in enumerate(embed.unbind(0)):
            gates_h, read_h = F.linear(h, merged).split(sizes, -1)
            log_q = self.posterior(read_h + embed_t)
            probs = log_q.exp()  # (N, K, C)
            z = sample_classes(probs, None if uniform is None else uniform[t])  # (N, K)
            states.append(h)
            samples.append(z)
            posteriors.append(log_q)
            if t < len(from_action):
                from_z = F.linear(self.read_latent(z, probs), weight_z)
                h = self.gru.gates(from_z + from_action[t] + gates_h, h)
                h = torch.where(joined[t + 1, :, None], first, h)
        return torch.stack(states), torch.stack(samples), torch.stack(posteriors)


class AppendOne(nn.Module):
    """A constant beside the observation: LayerNorm(W x) alone is the same for x and for 2 x.

    Without it no distance can be read off a vector of relative positions.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., O) to (..., O + 1)."""
        return append_one(x)


def append_one(x: Tensor) -> Tensor:
    """(..., O) to (..., O + 1), the last of them 1."""
    return F.pad(x, (0, 1), value=1.0)


def observation_encoder(config: Config, spec: EnvSpec) -> tuple[nn.Module, int]:
    """A CNN for images, a perceptron for vectors: (..., *O) to (..., F), and F [section 5.1]."""
    if spec.obs_dtype != "uint8":
        (features,) = spec.obs_shape
        layers = hidden_layers(features + 1, config.units, config.encoder_layers)
        return nn.Sequential(AppendOne(), *layers), config.units
    trunk = DeepEncoder(spec.obs_shape) if config.eyes == "deep" else CellEncoder(spec.obs_shape)
    return trunk, trunk.features


def observation_decoder(config: Config, spec: EnvSpec) -> nn.Module:
    """What turns features (..., F) into observations (..., *O), images by a transposed CNN."""
    if spec.obs_dtype != "uint8":
        return initialise(nn.Linear(config.decoder_units, spec.obs_shape[0]))
    if config.eyes == "deep":
        return DeepDecoder(spec.obs_shape, config.decoder_units)
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
    agents = spec.num_agents if config.agent_index else None
    return AgentTransformer(agents, width, config.layers, config.heads, feedforward)


class EnvironmentModule(nn.Module):
    """What couples the agents in imagination, in place of the environment [Eq. 2, A.3].

    With the predictor "mlp" nothing does: each agent foresees its own z, reward, continuation and
    mask from its own h [section 5.3, DMAWM-IP].
    """

    def __init__(self, config: Config, spec: EnvSpec) -> None:
        super().__init__()
        self.config = config
        deter, units, layers = config.deter, config.decoder_units, config.decoder_layers
        logits, coupled = config.latents * config.classes, config.predictor == "transformer"
        self.predictor = transformer(config, spec) if coupled else None
        self.predictor_out = mlp(deter, units, logits, config.predictor_layers)
        self.contextualise = transformer(config, spec) if coupled else None
        self.reward = mlp(deter, units, config.bins, layers, out_scale=0.0)
        self.cont = mlp(deter, units, 1, layers)
        self.avail = mlp(deter, units, spec.num_actions, layers)
        self.decoder = StateReader(config, units, layers)
        self.decoder_out = observation_decoder(config, spec)

    def prior(self, h: Tensor, present: Tensor | None = None) -> Tensor:
        """Log p(z_t | h_t^{1:n}) (..., A, K, C), from all agents' h (..., A, D) [Eq. 2].

        Agents that are not `present` (..., A) bool are left out; None: all are there.
        """
        tokens = h if self.predictor is None else self.predictor(h, present)
        logits = self.predictor_out(tokens)
        return latent_log_probs(logits, self.config.latents, self.config.unimix)

    def context(self, h: Tensor, present: Tensor | None = None) -> Tensor:
        """What reward, continuation and mask are read of (..., A, D), of h (..., A, D) [Eq. 2]."""
        return h if self.contextualise is None else self.contextualise(h, present)

    def decode(self, h: Tensor, z: Tensor, probs: Tensor | None = None) -> Tensor:
        """Predicted observations (..., *O), squashed, from own h and z [Eq. 2]."""
        return self.decoder_out(self.decoder(h, z, probs))


class Actor(nn.Module):
    """pi(a_t | h_t, z_t), shared by the agents, over the available actions [section 4.1].

    Where agents say numbers it is a Gaussian, which the paper has not.
    """

    def __init__(self, config: Config, spec: EnvSpec) -> None:
        super().__init__()
        self.reader = StateReader(config, config.policy_units, config.actor_layers)
        self.out = initialise(nn.Linear(config.policy_units, spec.num_actions), scale=0.01)
        self.decision = decision(spec)

    def forward(self, h: Tensor, z: Tensor, avail: Tensor) -> Policy:
        """Give the policy of agents (...) from h (..., D), z (..., K) and avail (..., U)."""
        return self.decision(self.out(self.reader(h, z)), avail)


class Critic(nn.Module):
    """v^i(h_t^{1:n}), from all agents' deterministic states [section 4.3].

    With the critic "mlp" it is v(h_t^i, z_t^i), from an agent's own state [section 5.3, DMAWM-TC].
    """

    def __init__(self, config: Config, spec: EnvSpec) -> None:
        super().__init__()
        units, central = config.policy_units, config.critic == "transformer"
        self.encoder = transformer(config, spec) if central else None
        self.reader = None if central else StateReader(config, units, config.actor_layers)
        features = config.deter if central else units
        self.out = mlp(features, units, config.bins, config.critic_layers, out_scale=0.0)
        self.twohot = TwoHot(config.bins)

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        """Two-hot logits (..., A, bins) from h (..., A, D) and z (..., A, K)."""
        if self.encoder is not None:
            return self.out(self.encoder(h))
        assert self.reader is not None, "a critic has an encoder or a reader"
        return self.out(self.reader(h, z))

    def value(self, h: Tensor, z: Tensor) -> Tensor:
        """Values (..., A)."""
        return self.twohot.mean(self(h, z))
