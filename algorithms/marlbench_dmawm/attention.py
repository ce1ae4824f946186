"""A transformer encoder over a set of agents: pre-norm, GELU, no dropout.

Vaswani et al. 2017, arXiv:1706.03762v7, with the normalisation before each block.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marlbench.toolbox.networks import initialise


class Block(nn.Module):
    """Self-attention over the token axis, then a feed-forward map, each added to its input."""

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = initialise(nn.Linear(width, 3 * width))
        self.project = initialise(nn.Linear(width, width))
        self.norm_feedforward = nn.LayerNorm(width)
        self.expand = initialise(nn.Linear(width, feedforward))
        self.contract = initialise(nn.Linear(feedforward, width))

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """(N, A, D) to (N, A, D); `seen` (N, 1, A, A) bool, who attends to whom, None: all do."""
        x = x + self.attention(self.norm_attention(x), seen)
        return x + self.contract(F.gelu(self.expand(self.norm_feedforward(x))))

    def attention(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """Every token's mix of all tokens' values (N, A, D)."""
        queries, keys, values = (
            self.qkv(x)
            .unflatten(-1, (3, self.heads, -1))  # (N, A, 3, heads, D / heads)
            .permute(2, 0, 3, 1, 4)  # (3, N, heads, A, D / heads)
            .unbind(0)
        )
        mixed = F.scaled_dot_product_attention(queries, keys, values, seen)
        return self.project(mixed.transpose(1, 2).flatten(-2))  # (N, A, D)


class AgentTransformer(nn.Module):
    """Lets agents' vectors see each other; a learned embedding of their indices tells them apart.

    Without a number of agents there is no such embedding, and agents are a set.
    """

    def __init__(
        self, agents: int | None, width: int, layers: int, heads: int, feedforward: int
    ) -> None:
        super().__init__()
        if width % heads:
            msg = f"the width {width} must be a multiple of the {heads} attention heads"
            raise ValueError(msg)
        self.position = None if agents is None else nn.Parameter(0.02 * torch.randn(agents, width))
        self.blocks = nn.ModuleList(Block(width, heads, feedforward) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """(..., A, D) to (..., A, D); who is not `present` (..., A) is seen by itself alone."""
        tokens = (x if self.position is None else x + self.position).flatten(0, -3)  # (N, A, D)
        seen = None
        if present is not None:
            itself = torch.eye(x.shape[-2], dtype=torch.bool, device=x.device)
            seen = present.flatten(0, -2)[:, None, None, :] | itself  # (N, 1, A, A)
        for block in self.blocks:
            tokens = block(tokens, seen)
        return self.norm(tokens).view_as(x)
