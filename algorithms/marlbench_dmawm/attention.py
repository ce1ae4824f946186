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

    def forward(self, x: Tensor) -> Tensor:
        """(N, A, D) to (N, A, D)."""
        x = x + self.attention(self.norm_attention(x))
        return x + self.contract(F.gelu(self.expand(self.norm_feedforward(x))))

    def attention(self, x: Tensor) -> Tensor:
        """Every token's mix of all tokens' values (N, A, D)."""
        queries, keys, values = (
            self.qkv(x)
            .unflatten(-1, (3, self.heads, -1))  # (N, A, 3, heads, D / heads)
            .permute(2, 0, 3, 1, 4)  # (3, N, heads, A, D / heads)
            .unbind(0)
        )
        mixed = F.scaled_dot_product_attention(queries, keys, values)
        return self.project(mixed.transpose(1, 2).flatten(-2))  # (N, A, D)


class AgentTransformer(nn.Module):
    """Lets agents' vectors see each other; a learned index embedding tells the agents apart."""

    def __init__(self, agents: int, width: int, layers: int, heads: int, feedforward: int) -> None:
        super().__init__()
        if width % heads:
            msg = f"the width {width} must be a multiple of the {heads} attention heads"
            raise ValueError(msg)
        self.position = nn.Parameter(0.02 * torch.randn(agents, width))
        self.blocks = nn.ModuleList(Block(width, heads, feedforward) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., A, D) to (..., A, D)."""
        tokens = (x + self.position).flatten(0, -3)  # (N, A, D)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens).view_as(x)
