"""MAMBA's parts as layers: what reads, what mixes agents, what predicts, actor, critic.

Symbol    meaning                                             name
h, z      deterministic and stochastic state of an agent
e         embedded observation                                `Encoder`
          what reads (h, z) of one or of several heads        `StateReader`
h'        next h: attention over the agents, then a GRU         `Transition`
p(z|h)    prior                                               `Transition.prior`
q(z|h,e)  posterior                                           `Posterior`
pi        actor, shared by the agents, reads (h, z)           `Actor`
v         critic, attends to all agents' (h, z)               `Critic`

Every linear map starts as the reference's: Xavier weights, orthogonal ones in the actor, torch's
own biases. A map of a one-hot vector is kept apart from the rest, as rows to sum.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.plugin import EnvSpec
from marlbench.toolbox.gru import gru_gates
from marlbench.toolbox.latents import class_rows
from marlbench.toolbox.linear import linear
from marlbench.toolbox.policies import masked_log_probs
from marlbench.toolbox.vision import ImageEncoder
from marlbench_mamba.attention import PostNormTransformer
from marlbench_mamba.config import MambaConfig


def initialise(module: nn.Module, orthogonal: bool = False) -> None:
    """Draw every matrix anew; vectors stay as torch drew them [code: agent/learners]."""
    for parameter in module.parameters():
        if parameter.dim() == 2:
            (nn.init.orthogonal_ if orthogonal else nn.init.xavier_uniform_)(parameter)


class Dense(nn.Linear):
    """A linear map whose products take the faster way."""

    def __init__(self, inputs: int, outputs: int, orthogonal: bool = False) -> None:
        super().__init__(inputs, outputs)
        initialise(self, orthogonal)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return linear(x, self.weight, self.bias)

    def relu(self, x: Tensor) -> Tensor:
        """The same and its positive part."""
        return linear(x, self.weight, self.bias, "relu")


def initialised(inputs: int, outputs: int, orthogonal: bool = False) -> tuple[Tensor, Tensor]:
    """Weight (outputs, inputs) and bias of a linear map as it starts, for maps that are split."""
    layer = Dense(inputs, outputs, orthogonal)
    return layer.weight.detach(), layer.bias.detach()


class Encoder(nn.Module):
    """Embeds what an agent sees: (..., *O) to (..., D)."""

    def __init__(self, config: MambaConfig, spec: EnvSpec) -> None:
        super().__init__()
        width = config.hidden
        self.trunk = ImageEncoder(spec.obs_shape) if spec.obs_dtype == "uint8" else None
        inputs = self.trunk.features if self.trunk else spec.obs_shape[0]
        widths = (inputs, width, width, width)
        self.hidden = nn.ModuleList(Dense(i, width) for i in widths[:-1])
        self.out = Dense(width, width)

    def forward(self, obs: Tensor) -> Tensor:
        """Embeddings."""
        x = self.trunk(obs) if self.trunk else obs
        for layer in self.hidden:
            x = layer.relu(x)  # type: ignore[operator]
        return self.out(x)


class StateReader(nn.Module):
    """The first layers of so many heads that read an agent's (h, z), side by side as one map."""

    def __init__(self, config: MambaConfig, heads: int = 1, orthogonal: bool = False) -> None:
        super().__init__()
        stochastic = config.latents * config.classes
        maps = [
            initialised(stochastic + config.deter, config.hidden, orthogonal) for _ in range(heads)
        ]
        weight = torch.cat([weight for weight, _ in maps])  # (F, K*C + D)
        self.weight_z = nn.Parameter(weight[:, :stochastic].t().contiguous())  # (K*C, F)
        self.weight_h = nn.Parameter(weight[:, stochastic:].contiguous())  # (F, D)
        self.bias = nn.Parameter(torch.cat([bias for _, bias in maps]))  # (F,)

    def forward(self, h: Tensor, classes: Tensor) -> Tensor:
        """Pre-activations (..., F) of h (..., D) and class indices (..., K)."""
        return class_rows(classes, self.weight_z) + linear(h, self.weight_h, self.bias)


class Posterior(nn.Module):
    """q(z|h, e): the embedding's share of its first layer is the same at any h."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        weight, bias = initialised(config.deter + config.hidden, config.hidden)
        self.weight_h = nn.Parameter(weight[:, : config.deter].contiguous())
        self.weight_e = nn.Parameter(weight[:, config.deter :].contiguous())
        self.bias = nn.Parameter(bias)
        self.out = Dense(config.hidden, config.latents * config.classes)

    def read(self, embed: Tensor) -> Tensor:
        """What the first layer makes of embeddings (..., D), bias included."""
        return linear(embed, self.weight_e, self.bias)

    def forward(self, h: Tensor, read: Tensor) -> Tensor:
        """Flat logits (..., K*C) of states (..., D) and what was read of the embeddings."""
        return self.logits(linear(h, self.weight_h, torch.zeros_like(self.bias)) + read)

    def logits(self, read: Tensor) -> Tensor:
        """Flat logits of both, read and summed (..., F)."""
        return self.out(F.relu(read))


class Transition(nn.Module):
    """h' of all agents' (z, a) and their own h: the agents hear each other here."""

    def __init__(self, config: MambaConfig, spec: EnvSpec) -> None:
        super().__init__()
        width, stochastic = config.hidden, config.latents * config.classes
        weight, bias = initialised(spec.num_actions + stochastic, width)
        self.weight_a = nn.Parameter(weight[:, : spec.num_actions].t().contiguous())  # (U, F)
        self.weight_z = nn.Parameter(weight[:, spec.num_actions :].t().contiguous())  # (K*C, F)
        self.bias = nn.Parameter(bias)
        self.attention = PostNormTransformer(
            spec.num_agents, width, config.layers, config.heads, width
        )
        if spec.agent_index == "hidden":
            self.attention.position.zero_()  # then agents are a set
        self.gru = nn.GRUCell(width, config.deter)
        self.prior_hidden = Dense(config.deter, width)
        self.prior_out = Dense(width, stochastic)
        for module in (self.attention, self.gru):
            initialise(module)

    def forward(self, h: Tensor, z: Tensor, action: Tensor, fresh: Tensor | None = None) -> Tensor:
        """The next h (..., A, D) of h (..., A, D), z (..., A, K) and actions (..., A).

        Where `fresh` (..., 1, 1) there is nothing before: no state, no z and no action.
        """
        rows_a = class_rows(action.unsqueeze(-1), self.weight_a)
        read = class_rows(z, self.weight_z) + rows_a  # (..., A, F)
        if fresh is not None:
            h, read = h.masked_fill(fresh, 0.0), read.masked_fill(fresh, 0.0)
        return self.step(h.flatten(0, -2), read.flatten(0, -2)).view_as(h)

    def step(self, h: Tensor, read: Tensor) -> Tensor:
        """The next h (N A, D) of h (N A, D) and of what was read (N A, F), without its bias."""
        gru, heard = self.gru, self.heard(read + self.bias)
        from_x = linear(heard, gru.weight_ih, gru.bias_ih)
        return gru_gates(from_x, linear(h, gru.weight_hh, gru.bias_hh), h)

    def heard(self, read: Tensor, keep: Tensor | None = None) -> Tensor:
        """What every agent hears (N A, F) of all that was read, the bias included (N A, F)."""
        return self.attention(F.relu(read), keep)

    def prior(self, h: Tensor) -> Tensor:
        """Flat logits (..., K*C) of p(z|h), from an agent's own h (..., D)."""
        return self.prior_out(self.prior_hidden.relu(h))


class Actor(nn.Module):
    """pi(a|h, z), shared by the agents, over the available actions."""

    def __init__(self, config: MambaConfig, spec: EnvSpec) -> None:
        super().__init__()
        self.reader = StateReader(config, orthogonal=True)
        self.hidden = Dense(config.hidden, config.hidden, orthogonal=True)
        self.out = Dense(config.hidden, spec.num_actions, orthogonal=True)
        for parameter in self.out.parameters():
            parameter.data.mul_(config.actor_gain)

    def logits(self, h: Tensor, classes: Tensor) -> Tensor:
        """Unmasked (..., U), from h (..., D) and z (..., K)."""
        return self.out(self.hidden.relu(F.relu(self.reader(h, classes))))

    def forward(self, h: Tensor, classes: Tensor, avail: Tensor) -> Tensor:
        """Log-probabilities (..., U); where nothing is available (..., U), all are equally."""
        return masked_log_probs(self.logits(h, classes), avail)


class Critic(nn.Module):
    """v of every agent, who sees the states of all."""

    def __init__(self, config: MambaConfig, spec: EnvSpec) -> None:
        super().__init__()
        width = config.hidden
        self.reader = StateReader(config)
        self.attention = PostNormTransformer(spec.num_agents, width, 1, config.heads, width)
        self.hidden = Dense(width, width)
        self.out = Dense(width, 1)
        initialise(self.attention)

    def forward(self, h: Tensor, classes: Tensor) -> Tensor:
        """Values (..., A) from all agents' h (..., A, D) and z (..., A, K)."""
        tokens = F.relu(self.reader(h, classes)).flatten(0, -2)  # (N A, F)
        heard = F.relu(self.attention(tokens))
        return self.out(self.hidden.relu(heard)).view(h.shape[:-1])  # (..., A)
