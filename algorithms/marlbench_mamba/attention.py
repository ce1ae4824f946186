"""A transformer encoder over a set of agents as first described: normalised behind each sum.

Vaswani et al. 2017, arXiv:1706.03762v7: post-norm, ReLU, dropout, sinusoidal positions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from marlbench.toolbox.linear import linear

__all__ = ["PostNormTransformer", "keep_factors", "sinusoids"]

STEPS = 1 << 16
"""Resolution of a dropout probability: draws of 16 bits are a quarter of those of a float."""


def sinusoids(positions: int, width: int) -> Tensor:
    """Give codes (positions, D): sin (even j) or cos (odd j) of `p / 10000^(2 floor(j/2) / D)`."""
    j = torch.arange(width, dtype=torch.float64)
    rate = 10000 ** (-2 * (j // 2) / width)  # (D,)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * rate  # (positions, D)
    return torch.where(j % 2 == 0, angle.sin(), angle.cos()).float()


def keep_factors(shape: tuple[int, ...], dropout: float, generator: torch.Generator) -> Tensor:
    """Give what dropout multiplies by (*shape): 0 with that probability, else what keeps the mean.

    The probability is taken to the next of 65 536 steps.
    """
    count = math.prod(shape)
    words = torch.empty(-(-count // 4), dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)
    dropped = round(dropout * STEPS)
    kept = words.view(torch.int16)[:count] >= dropped - STEPS // 2
    return kept.float().mul_(STEPS / (STEPS - dropped)).view(shape)


class PostNormBlock(nn.Module):
    """Self-attention over the token axis, then a feed-forward map, each added and normalised."""

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm_attention = nn.LayerNorm(width)
        self.expand = nn.Linear(width, feedforward)
        self.contract = nn.Linear(feedforward, width)
        self.norm_feedforward = nn.LayerNorm(width)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.project.bias)

    def masks(self, tokens: int, agents: int) -> list[int]:
        """How many numbers each of the four places that may drop something has."""
        width = self.project.out_features
        scores = tokens * agents * self.heads
        return [scores, tokens * width, tokens * self.expand.out_features, tokens * width]

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """(N, A, D) to (N, A, D); keep holds the factors of all four places, or drops nothing."""
        places: tuple[Tensor | None, ...] = (None,) * 4
        if keep is not None:
            places = keep.split(self.masks(x.shape[0] * x.shape[1], x.shape[1]))
        share, mixed, inner, outer = places
        mix = self.mix(linear(x, self.qkv.weight, self.qkv.bias), share)
        mix = linear(mix, self.project.weight, self.project.bias)
        x = self.norm_attention(x + kept(mix, mixed))
        hidden = linear(x, self.expand.weight, self.expand.bias, "relu")
        hidden = linear(kept(hidden, inner), self.contract.weight, self.contract.bias)
        return self.norm_feedforward(x + kept(hidden, outer))

    def mix(self, qkv: Tensor, keep: Tensor | None) -> Tensor:
        """Every token's mix of all tokens' values (N, A, D), of their maps (N, A, 3 D)."""
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        if torch.is_grad_enabled():  # (N, heads, A, D / heads) each
            share = (q @ k.mT * k.shape[-1] ** -0.5).softmax(-1)  # (N, heads, A, A)
            mixed = kept(share, keep) @ v
        else:  # a third faster, but slower to go back through
            mixed = scaled_dot_product_attention(q, k, v)
        return mixed.transpose(1, 2).flatten(-2)


def kept(x: Tensor, keep: Tensor | None) -> Tensor:
    """X times the factors, if there are any."""
    return x if keep is None else x * keep.view_as(x)


class PostNormTransformer(nn.Module):
    """Lets agents' vectors see each other; a sinusoidal code of their index tells them apart."""

    position: Tensor

    def __init__(self, agents: int, width: int, layers: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.register_buffer("position", sinusoids(agents, width), persistent=False)
        self.blocks = nn.ModuleList(PostNormBlock(width, heads, feedforward) for _ in range(layers))

    def draw(
        self, steps: int, tokens: int, dropout: float, generator: torch.Generator
    ) -> Tensor | None:
        """Give dropout's factors (T, layers, ...) of so many passes of so many tokens."""
        if not dropout:
            return None
        (block, *_) = self.blocks
        size = sum(block.masks(tokens, len(self.position)))  # type: ignore[operator]
        return keep_factors((steps, len(self.blocks), size), dropout, generator)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """(N A, D) to (N A, D), tokens of one set in a row; keep (layers, ...) as `draw` gives."""
        tokens = x.view(-1, *self.position.shape) + self.position  # (N, A, D)
        for index, block in enumerate(self.blocks):
            tokens = block(tokens, None if keep is None else keep[index])
        return tokens.view_as(x)
