"""The Multi-Agent Transformer's encoder and decoder: agents are tokens, in a fixed order.

o_hat   representations of all observations        [Eq. 4]      `Encoder.representation`
V       value of every agent                       [Eq. 4]      `Encoder.value`
a_m     actions of the agents before; a_0 = start  [Eq. 5]      tokens of `Decoder`

Wen et al. 2022, arXiv:2205.14953v3 [code: onpolicy/algorithms/mat/algorithm/
ma_transformer.py@de66d7a]. Blocks normalise after each addition. The decoder's second attention
is added to the encoder's representation and not to the decoder's stream, as in the code.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.toolbox.orthogonal import RELU_GAIN, orthogonal_linear
from marlbench.toolbox.vision import ImageEncoder

SMALL = 0.01
"""Scale of the starting weights of every layer that no GELU follows [code]."""

Cache = tuple[Tensor, Tensor]
"""Keys and values (N, heads, A, D / heads) of the tokens so far; the rest is not read."""


class Attention(nn.Module):
    """What tokens take from the tokens of a source: all of them, or those up to their own."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.query, self.key, self.value, self.project = (
            orthogonal_linear(width, width, SMALL) for _ in range(4)
        )

    def split(self, x: Tensor) -> Tensor:
        """(N, A, D) to (N, heads, A, D / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def mix(self, query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
        """(N, A, D) from queries, keys and values (N, heads, A, D / heads)."""
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
        return self.project(mixed.transpose(1, 2).flatten(-2))

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """(N, A, D) for tokens x (N, A, D), from tokens source (N, A, D)."""
        query, key, value = self.query(x), self.key(source), self.value(source)
        return self.mix(self.split(query), self.split(key), self.split(value), self.causal)

    def extend(self, x: Tensor, source: Tensor, cache: Cache, index: int) -> Tensor:
        """(N, 1, D) for token number `index` alone; its key and value join the cache."""
        keys, values = cache
        keys[:, :, index : index + 1] = self.split(self.key(source))
        values[:, :, index : index + 1] = self.split(self.value(source))
        seen = slice(0, index + 1)
        return self.mix(self.split(self.query(x)), keys[:, :, seen], values[:, :, seen], False)


def feedforward(width: int) -> nn.Module:
    """Linear, GELU, Linear, all of one width."""
    return nn.Sequential(
        orthogonal_linear(width, width, RELU_GAIN),
        nn.GELU(),
        orthogonal_linear(width, width, SMALL),
    )


def head(width: int, outputs: int) -> nn.Module:
    """Linear, GELU, LayerNorm, Linear."""
    return nn.Sequential(
        orthogonal_linear(width, width, RELU_GAIN),
        nn.GELU(),
        nn.LayerNorm(width),
        orthogonal_linear(width, outputs, SMALL),
    )


def reader(shape: tuple[int, ...], width: int) -> nn.Module:
    """What turns observations (..., *shape), vectors or images, into tokens (..., D)."""
    if len(shape) == 1:
        linear = orthogonal_linear(shape[0], width, RELU_GAIN)
        return nn.Sequential(nn.LayerNorm(shape[0]), linear, nn.GELU())
    encoder = ImageEncoder(shape)
    return nn.Sequential(encoder, orthogonal_linear(encoder.features, width, RELU_GAIN), nn.GELU())


class EncoderBlock(nn.Module):
    """Every agent's token sees every other's."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads, causal=False)
        self.feedforward = feedforward(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, A, D) to (N, A, D)."""
        x = self.norms[0](x + self.attention(x, x))
        return self.norms[1](x + self.feedforward(x))


class DecoderBlock(nn.Module):
    """A token sees the actions of the agents before, then what the encoder says of its own."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.actions = Attention(width, heads, causal=True)
        self.observations = Attention(width, heads, causal=True)
        self.feedforward = feedforward(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Tensor, representation: Tensor) -> Tensor:
        """(N, A, D) from action tokens (N, A, D) and representations (N, A, D)."""
        return self.through(x, representation, self.actions, self.observations)

    def extend(self, x: Tensor, representation: Tensor, caches: list[Cache], index: int) -> Tensor:
        """(N, 1, D) for token number `index` alone, from what the two attentions have cached."""
        return self.through(
            x,
            representation,
            lambda x, source: self.actions.extend(x, source, caches[0], index),
            lambda x, source: self.observations.extend(x, source, caches[1], index),
        )

    def through(
        self,
        x: Tensor,
        representation: Tensor,
        actions: Callable[[Tensor, Tensor], Tensor],
        observations: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """The block's wiring, for all tokens or for one."""
        x = self.norms[0](x + actions(x, x))
        x = self.norms[1](representation + observations(representation, x))
        return self.norms[2](x + self.feedforward(x))


class Encoder(nn.Module):
    """Observations of all agents to representations and values [Eq. 4]."""

    def __init__(self, shape: tuple[int, ...], width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.read = reader(shape, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(layers)))
        self.head = head(width, 1)

    def representation(self, obs: Tensor) -> Tensor:
        """(N, A, D) of observations (N, A, *O)."""
        return self.blocks(self.norm(self.read(obs)))

    def value(self, representation: Tensor) -> Tensor:
        """(N, A) in normalised units, of representations (N, A, D)."""
        return self.head(representation).squeeze(-1)


class Decoder(nn.Module):
    """Logits of each agent's action, given the actions of the agents before it [Eq. 5]."""

    def __init__(self, num_actions: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        start_or_action = orthogonal_linear(num_actions + 1, width, RELU_GAIN, bias=False)
        self.embed = nn.Embedding(num_actions + 1, width)
        self.embed.weight = nn.Parameter(start_or_action.weight.detach().t().contiguous())
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.head = head(width, num_actions)

    def forward(self, actions: Tensor, representation: Tensor) -> Tensor:
        """Logits (N, A, U) with the actions (N, A) known: all agents in one pass."""
        tokens = F.pad(actions[:, :-1] + 1, (1, 0))  # (N, A): 0 is the start symbol
        x = self.embedded(tokens)  # (N, A, D)
        for block in self.blocks:
            x = block(x, representation)
        return self.head(x)

    def embedded(self, tokens: Tensor) -> Tensor:
        """(..., D) of tokens (...): 0 for the start, 1 + action after."""
        return self.norm(F.gelu(self.embed(tokens)))

    def decode(self, representation: Tensor, choose: Callable[[Tensor, int], Tensor]) -> Tensor:
        """Actions (N, A), agent by agent: `choose` maps logits (N, U) of agent i to actions (N,).

        Each agent's keys and values are computed once: the same numbers as a pass over all
        agents before it, at a third of the work.
        """
        copies, agents, _ = representation.shape
        caches = [[self.cache(copies, agents) for _ in range(2)] for _ in self.blocks]
        tokens = torch.zeros(copies, agents + 1, dtype=torch.long, device=representation.device)
        for index in range(agents):
            here = slice(index, index + 1)
            x = self.embedded(tokens[:, here])  # (N, 1, D)
            for block, cached in zip(self.blocks, caches, strict=True):
                x = block.extend(x, representation[:, here], cached, index)
            tokens[:, index + 1] = choose(self.head(x)[:, 0], index) + 1
        return tokens[:, 1:] - 1

    def cache(self, copies: int, agents: int) -> Cache:
        """Room for the keys and values of an attention."""
        shape = (copies, self.heads, agents, self.width // self.heads)
        weight = self.embed.weight
        return weight.new_empty(shape), weight.new_empty(shape)
