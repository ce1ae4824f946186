"""Attention among few tokens, written out: fused kernels take longer for as few as agents are.

q, k, v  queries, keys and values of tokens      `maps`
Vaswani et al. 2017, arXiv:1706.03762v7, Eq. 1: `softmax(q k^T / sqrt(D / heads)) v`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.toolbox.orthogonal import orthogonal_linear

GAIN = 0.01
"""Scale of the starting weights [code: onpolicy/algorithms/mat/algorithm/ma_transformer.py]."""

Cache = tuple[Tensor, Tensor]
"""Keys and values (N, heads, A, D / heads) of the tokens so far; the rest is not read."""


class Attention(nn.Module):
    """What tokens take from the tokens of a source: from all of them, or up to their own."""

    future: Tensor

    def __init__(self, width: int, heads: int, agents: int, causal: bool) -> None:
        super().__init__()
        self.width, self.heads, self.scale = width, heads, (width // heads) ** -0.5
        apart = [orthogonal_linear(width, width, GAIN).weight for _ in range(3)]
        self.maps = orthogonal_linear(width, 3 * width, GAIN)
        self.maps.weight = nn.Parameter(torch.cat(apart).detach())  # each orthogonal by itself
        self.project = orthogonal_linear(width, width, GAIN)
        hidden = torch.ones(agents, agents).triu(1) * causal
        future = torch.zeros(agents, agents).masked_fill(hidden > 0, -torch.inf)
        self.register_buffer("future", future, persistent=False)  # (A, A)

    def forward(self, source: Tensor, x: Tensor) -> Tensor:
        """(N, A, D) for tokens x (N, A, D), from tokens source (N, A, D)."""
        if source is x:
            queries, keys, values = self.split(self.maps(x), 3)
        else:
            queries, (keys, values) = self.queries(x), self.keys_values(source)
        return self.mix(queries, keys, values, self.future)

    def extend(self, source: Tensor, queries: Tensor, cache: Cache, index: int) -> Tensor:
        """(N, 1, D) for token number `index` alone; the source's key and value join the cache."""
        for kept, new in zip(cache, self.keys_values(source), strict=True):
            kept[:, :, index : index + 1] = new
        keys, values = (kept[:, :, : index + 1] for kept in cache)
        return self.mix(queries, keys, values, self.future[-1:, : index + 1])

    def cache(self, copies: int) -> Cache:
        """Room for the keys and values of all agents."""
        shape = (copies, self.heads, len(self.future), self.width // self.heads)
        return self.future.new_empty(shape), self.future.new_empty(shape)

    def queries(self, x: Tensor) -> Tensor:
        """(N, heads, A, D / heads) of tokens (N, A, D)."""
        weight, bias = self.maps.weight[: self.width], self.maps.bias[: self.width]
        return self.split(F.linear(x, weight, bias), 1)[0]

    def keys_values(self, x: Tensor) -> Cache:
        """(N, heads, A, D / heads) each, of tokens (N, A, D)."""
        weight, bias = self.maps.weight[self.width :], self.maps.bias[self.width :]
        keys, values = self.split(F.linear(x, weight, bias), 2)
        return keys, values

    def split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Each part (N, heads, A, D / heads) of (N, A, parts * D)."""
        return tuple(
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in x.chunk(parts, -1)
        )

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        """(N, A, D) of queries, keys and values (N, heads, A, D / heads); bias (A, A) of scores."""
        q, k, v = (part.flatten(0, 1) for part in (queries, keys, values))
        scores = torch.baddbmm(bias, q, k.mT, alpha=self.scale)  # (N * heads, A, A)
        mixed = torch.bmm(scores.softmax(-1), v)  # (N * heads, A, D / heads)
        return self.project(mixed.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(-2))


class SymbolAttention(Attention):
    """Causal self-attention of tokens that are one of S symbols, without looking at tokens.

    Equal symbols have equal keys and values, so what a token takes depends on its own symbol s
    and on how often each symbol c occurred up to it: `sum_c softmax_c(q_s k_c + ln count_c) v_c`.
    """

    log: Tensor

    def __init__(self, width: int, heads: int, agents: int, causal: bool) -> None:
        super().__init__(width, heads, agents, causal)
        assert causal, "tokens are counted up to each one"
        self.register_buffer("log", torch.arange(agents + 1).log(), persistent=False)  # (A + 1,)

    def tables(self, symbols: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (heads, S, S) and projected values (heads, S, D) of symbols (S, D)."""
        queries, keys, values = (part[0] for part in self.split(self.maps(symbols[None]), 3))
        by_head = self.project.weight.unflatten(1, (self.heads, -1)).permute(1, 2, 0)
        return self.scale * queries @ keys.mT, values @ by_head

    def mixed(self, tables: tuple[Tensor, Tensor], own: Tensor, count: Tensor) -> Tensor:
        """(N, D) of N tokens: one-hot symbols own (N, S), counts (N, S) up to each, int."""
        scores, values = tables
        logits = own @ scores + self.log[count]  # (heads, N, S)
        return (logits.softmax(-1) @ values).sum(0) + self.project.bias
