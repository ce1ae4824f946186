"""The Multi-Agent Transformer's encoder and decoder: agents are tokens, in a fixed order.

o_hat   representations of all observations        [Eq. 4]      `Encoder.representation`
V       value of every agent                       [Eq. 4]      `Encoder.value`
a_m     actions of the agents before; a_0 = start  [Eq. 5]      symbols of `Decoder`

Wen et al. 2022, arXiv:2205.14953v3 [code: onpolicy/algorithms/mat/algorithm/
ma_transformer.py@de66d7a]. Blocks normalise after each addition. The decoder's second attention
is added to the encoder's representation and not to the decoder's stream, as in the code.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.toolbox.orthogonal import RELU_GAIN, NormLinear, orthogonal_linear
from marlbench.toolbox.vision import ImageEncoder
from marlbench_mat.attention import GAIN, Attention, Maps, SymbolAttention


def feedforward(width: int) -> nn.Module:
    """Linear, GELU, Linear, all of one width."""
    expand, contract = (orthogonal_linear(width, width, gain) for gain in (RELU_GAIN, GAIN))
    return nn.Sequential(expand, nn.GELU(), contract)


def head(width: int, outputs: int) -> nn.Module:
    """Linear, GELU, LayerNorm, Linear."""
    hidden = orthogonal_linear(width, width, RELU_GAIN)
    output = orthogonal_linear(width, outputs, GAIN)
    return nn.Sequential(hidden, nn.GELU(), nn.LayerNorm(width), output)


def reader(shape: tuple[int, ...], width: int) -> nn.Module:
    """What turns observations (..., *shape), vectors or images, into tokens (..., D)."""
    if len(shape) == 1:
        return nn.Sequential(NormLinear(shape[0], width, RELU_GAIN), nn.GELU())
    encoder = ImageEncoder(shape)
    return nn.Sequential(encoder, orthogonal_linear(encoder.features, width, RELU_GAIN), nn.GELU())


class EncoderBlock(nn.Module):
    """Every agent's token sees every other's."""

    def __init__(self, width: int, heads: int, agents: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads, agents, causal=False)
        self.feedforward = feedforward(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, A, D) to (N, A, D)."""
        x = self.norms[0](x + self.attention(x, x))
        return self.norms[1](x + self.feedforward(x))


class DecoderBlock(nn.Module):
    """A token sees the actions of the agents before, then what the encoder says of its own."""

    def __init__(self, width: int, heads: int, agents: int, actions: type[Attention]) -> None:
        super().__init__()
        self.actions = actions(width, heads, agents, causal=True)
        self.observations = Attention(width, heads, agents, causal=True)
        self.feedforward = feedforward(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    def forward(
        self, x: Tensor, mixed: Tensor, representation: Tensor, observe: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """(..., D) of action tokens x and representations, (..., D) each: of all agents or one.

        `mixed` (..., D) is what `actions` gave for x; `observe` maps tokens to what
        `observations` gives for them.
        """
        x = self.norms[0](x + mixed)
        x = self.norms[1](representation + observe(x))
        return self.norms[2](x + self.feedforward(x))


class Encoder(nn.Module):
    """Observations of all agents to representations and values [Eq. 4]."""

    def __init__(
        self, shape: tuple[int, ...], agents: int, width: int, layers: int, heads: int
    ) -> None:
        super().__init__()
        self.read = reader(shape, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads, agents) for _ in range(layers)))
        self.head = head(width, 1)

    def representation(self, obs: Tensor) -> Tensor:
        """(N, A, D) of observations (N, A, *O)."""
        return self.blocks(self.norm(self.read(obs)))

    def value(self, representation: Tensor) -> Tensor:
        """(N, A) in normalised units, of representations (N, A, D)."""
        return self.head(representation).squeeze(-1)


class Prepared(NamedTuple):
    """What decoding needs of the decoder's parameters, as long as they stay as they are."""

    table: Tensor
    """(S, D) embeddings of the symbols."""
    symbols: tuple[Tensor, Tensor]
    """The first block's tables of them."""
    maps: list[tuple[Maps, Maps]]
    """Every block's, of its two attentions."""


class Decoder(nn.Module):
    """Logits of each agent's action, given the actions of the agents before it [Eq. 5].

    An agent's token is the action of the agent before it, the first agent's a start symbol: one
    of S = U + 1 symbols, so that the first self-attention needs no tokens.
    """

    one_hot: Tensor
    log: Tensor

    def __init__(self, num_actions: int, agents: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.embed = orthogonal_linear(num_actions + 1, width, RELU_GAIN, bias=False)
        self.norm = nn.LayerNorm(width)
        kinds = [SymbolAttention] + [Attention] * (layers - 1)
        self.chain = [DecoderBlock(width, heads, agents, kind) for kind in kinds]
        self.blocks = nn.ModuleList(self.chain)
        self.head = head(width, num_actions)
        self.register_buffer("one_hot", torch.eye(num_actions + 1), persistent=False)  # (S, S)
        self.register_buffer("log", torch.arange(agents + 1).log(), persistent=False)  # (A + 1,)

    @property
    def among_symbols(self) -> SymbolAttention:
        """The first block's self-attention."""
        attention = self.chain[0].actions
        assert isinstance(attention, SymbolAttention), "the first block sees symbols"
        return attention

    def table(self) -> Tensor:
        """Embeddings (S, D) of the start symbol and every action."""
        return self.norm(F.gelu(self.embed.weight.t()))

    def forward(self, actions: Tensor, representation: Tensor) -> Tensor:
        """Logits (N, A, U) with the actions (N, A) known: all agents in one pass."""
        symbols, first = self.among_symbols, self.chain[0]
        own = self.one_hot[F.pad(actions[:, :-1] + 1, (1, 0))]  # (N, A, S)
        log_count = self.log[own.cumsum(1).int()].flatten(0, 1)  # (N * A, S)
        table = self.table()
        mixed = symbols.mixed(symbols.tables(table), own.flatten(0, 1), log_count)
        x, mixed = own @ table, mixed.view_as(representation)  # (N, A, D)
        x = first(x, mixed, representation, partial(first.observations, x=representation))
        for block in self.chain[1:]:
            observe = partial(block.observations, x=representation)
            x = block(x, block.actions(x, x), representation, observe)
        return self.head(x)

    def prepared(self) -> Prepared:
        """What `decode` needs, for as long as the parameters do not change."""
        table = self.table()
        maps = [(block.actions.composed(), block.observations.composed()) for block in self.chain]
        return Prepared(table, self.among_symbols.tables(table), maps)

    def decode(
        self, ready: Prepared, representation: Tensor, choose: Callable[[Tensor, int], Tensor]
    ) -> Tensor:
        """Actions (N, A), agent by agent: `choose` maps logits (N, U) of agent i to actions (N,).

        Keys and values are computed once and kept: the same numbers as passes over all agents
        before, at a fraction of the work.
        """
        copies, agents, _ = representation.shape
        caches = [[each.cache(copies) for each in (b.actions, b.observations)] for b in self.chain]
        queries = [
            block.observations.queries(maps, representation)
            for block, (_, maps) in zip(self.chain, ready.maps, strict=True)
        ]  # (N, heads, A, D) each
        symbol = torch.zeros(copies, dtype=torch.long, device=representation.device)
        count, chosen = representation.new_zeros(copies, len(ready.table)), []
        for index in range(agents):
            own = self.one_hot[symbol]  # (N, S)
            count = count + own
            mixed = self.among_symbols.mixed(ready.symbols, own, count.log())  # (N, D)
            x = ready.table[symbol]  # (N, D)
            for depth, block in enumerate(self.chain):
                of_actions, of_observations = ready.maps[depth]
                if depth:
                    here = block.actions.queries(of_actions, x[:, None])[:, :, 0]
                    mixed = block.actions.extend(of_actions, x, here, caches[depth][0], index)
                observe = partial(
                    block.observations.extend,
                    of_observations,
                    queries=queries[depth][:, :, index],
                    cache=caches[depth][1],
                    index=index,
                )
                x = block(x, mixed, representation[:, index], observe)
            chosen.append(choose(self.head(x), index))
            symbol = chosen[-1] + 1
        return torch.stack(chosen, 1)
