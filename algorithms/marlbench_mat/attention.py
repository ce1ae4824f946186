"""Attention among few tokens, with the products of its maps taken before they meet the tokens.

W_q, W_k, W_v, W_o  maps to queries, keys and values, and back       `maps`, `project`
s_ij                score of source token j for token i              `score`

Vaswani et al. 2017, arXiv:1706.03762v7, Eq. 1 for every head: `softmax_j(s_ij) v_j`, with
`s_ij = (W_q x_i + b_q) (W_k y_j + b_k) / sqrt(d)`. What does not depend on j leaves the softmax as
it is, and its weights sum to 1, so that
`s_ij = (W_k^T (W_q x_i + b_q) / sqrt(d)) y_j`, `W_o v_j + b_o = (W_o W_v) y_j + (W_o b_v + b_o)`:
one product per token instead of two, twice, for as long as there are few heads.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.toolbox.linear import linear
from marlbench.toolbox.orthogonal import orthogonal_linear

GAIN = 0.01
"""Scale of the starting weights [code: onpolicy/algorithms/mat/algorithm/ma_transformer.py]."""


class Maps(NamedTuple):
    """The composed maps, as long as the parameters stay as they are."""

    score: Tensor
    """(heads * D, D): of a token, to what its scores are products with."""
    score_bias: Tensor
    """(heads * D,)"""
    value: Tensor
    """(heads * D, D): of a source token, to what it gives."""
    bias: Tensor
    """(D,) of the sum."""


class Cache(NamedTuple):
    """What a token needs of those before it; the rest is not read."""

    source: Tensor
    """(N, A, D)"""
    values: Tensor
    """(N, heads, A, D)"""


class Attention(nn.Module):
    """What tokens take from the tokens of a source: from all of them, or up to their own."""

    future: Tensor

    def __init__(self, width: int, heads: int, agents: int, causal: bool) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        apart = [orthogonal_linear(width, width, GAIN).weight for _ in range(3)]
        self.maps = orthogonal_linear(width, 3 * width, GAIN)
        self.maps.weight = nn.Parameter(torch.cat(apart).detach())  # each orthogonal by itself
        self.project = orthogonal_linear(width, width, GAIN)
        hidden = torch.ones(agents, agents).triu(1) * causal
        future = torch.zeros(agents, agents).masked_fill(hidden > 0, -torch.inf)
        self.register_buffer("future", future, persistent=False)  # (A, A)

    def composed(self) -> Maps:
        """The maps' products; gradients go through them to the parameters."""
        query, key, value = self.maps.weight.unflatten(0, (3, self.heads, -1))  # (heads, d, D)
        query_bias, _, value_bias = self.maps.bias.unflatten(0, (3, self.heads, 1, -1))
        back = self.project.weight.unflatten(1, (self.heads, -1)).transpose(0, 1)  # (heads, D, d)
        key = key * query.shape[1] ** -0.5
        return Maps(
            score=(key.mT @ query).flatten(0, 1),
            score_bias=(query_bias @ key).flatten(),
            value=(back @ value).flatten(0, 1),
            bias=F.linear(value_bias.flatten(), self.project.weight, self.project.bias),
        )

    def forward(self, source: Tensor, x: Tensor) -> Tensor:
        """(N, A, D) for tokens x (N, A, D), from tokens source (N, A, D)."""
        maps = self.composed()
        queries, values = self.queries(maps, x), self.values(maps, source)
        return self.mix(queries, source, values, self.future) + maps.bias

    def extend(
        self, maps: Maps, source: Tensor, queries: Tensor, cache: Cache, index: int
    ) -> Tensor:
        """(N, D) for token number `index` alone, of queries (N, heads, D).

        The source (N, D) of that number joins the cache.
        """
        cache.source[:, index] = source
        cache.values[:, :, index] = F.linear(source, maps.value).unflatten(-1, (self.heads, -1))
        seen = slice(0, index + 1)
        share = (queries @ cache.source[:, seen].mT).softmax(-1)  # (N, heads, index + 1)
        mixed = share.flatten(1).unsqueeze(1) @ cache.values[:, :, seen].flatten(1, 2)
        return mixed.squeeze(1) + maps.bias

    def cache(self, copies: int) -> Cache:
        """Room for all agents."""
        new, agents = self.future.new_empty, len(self.future)
        values = new(copies, self.heads, agents, self.width)
        return Cache(new(copies, agents, self.width), values)

    def queries(self, maps: Maps, x: Tensor) -> Tensor:
        """(N, heads, A, D) of tokens (N, A, D)."""
        return self.split(linear(x, maps.score, maps.score_bias))

    def values(self, maps: Maps, source: Tensor) -> Tensor:
        """(N, heads, A, D) of tokens (N, A, D)."""
        return self.split(linear(source, maps.value))

    def split(self, x: Tensor) -> Tensor:
        """(N, heads, A, D) of (N, A, heads * D)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def mix(self, queries: Tensor, source: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        """(N, A, D), summed over heads; bias (A, A) of the scores.

        Written out: for as few tokens as there are agents, fused kernels take longer.
        """
        tokens = queries.shape[2]
        scores = queries.flatten(1, 2) @ source.mT  # (N, heads * A, A of the source)
        share = (scores.unflatten(1, (-1, tokens)) + bias).softmax(-1)  # (N, heads, A, A)
        return share.transpose(1, 2).flatten(2) @ values.flatten(1, 2)


class SymbolAttention(Attention):
    """Causal self-attention of tokens that are one of S symbols, without looking at tokens.

    Equal symbols have equal keys and values, so what a token takes depends on its own symbol a
    and on how often each symbol c occurred up to it: `sum_c softmax_c(s_ac + ln count_c) v_c`.
    """

    def tables(self, symbols: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (heads, S, S) and values (heads * S, D), bias included, of symbols (S, D)."""
        maps, one = self.composed(), symbols[None]  # (1, S, D)
        scores = self.queries(maps, one)[0] @ symbols.mT
        return scores, (self.values(maps, one)[0] + maps.bias / self.heads).flatten(0, 1)

    def mixed(self, tables: tuple[Tensor, Tensor], own: Tensor, log_count: Tensor) -> Tensor:
        """(N, D) of N tokens: one-hot symbols own (N, S), log of counts (N, S) up to each."""
        scores, values = tables
        share = (own @ scores + log_count).softmax(-1)  # (heads, N, S)
        return share.transpose(0, 1).flatten(1) @ values
