"""The agent transformer against PyTorch's own encoder layer."""

import pytest
import torch
from torch import nn

from marlbench_dmawm.attention import AgentTransformer, Block


def copied(block: Block, width: int, heads: int, feedforward: int) -> nn.TransformerEncoderLayer:
    """PyTorch's layer with a block's weights."""
    layer = nn.TransformerEncoderLayer(
        width, heads, feedforward, 0.0, "gelu", batch_first=True, norm_first=True
    ).double()
    pairs = {
        layer.self_attn.in_proj_weight: block.qkv.weight,
        layer.self_attn.in_proj_bias: block.qkv.bias,
        layer.self_attn.out_proj.weight: block.project.weight,
        layer.self_attn.out_proj.bias: block.project.bias,
        layer.linear1.weight: block.expand.weight,
        layer.linear1.bias: block.expand.bias,
        layer.linear2.weight: block.contract.weight,
        layer.linear2.bias: block.contract.bias,
    }
    with torch.no_grad():
        for theirs, ours in pairs.items():
            theirs.copy_(ours)
    return layer


def test_a_block_equals_pytorchs_pre_norm_encoder_layer() -> None:
    torch.manual_seed(0)
    block = Block(16, heads=4, feedforward=32).double()
    x = torch.randn(6, 5, 16, dtype=torch.float64)
    torch.testing.assert_close(block(x), copied(block, 16, 4, 32)(x))


def test_agents_see_each_other_and_are_told_apart() -> None:
    torch.manual_seed(0)
    encoder = AgentTransformer(agents=3, width=8, layers=2, heads=2, feedforward=16)
    x = torch.randn(2, 4, 3, 8)
    changed = x.clone()
    changed[..., 2, :] += 1.0
    assert (encoder(x) != encoder(changed))[..., 0, :].any()
    same = x[..., :1, :].expand_as(x)
    assert not torch.allclose(encoder(same)[..., 0, :], encoder(same)[..., 1, :])
    torch.testing.assert_close(encoder(x)[1, 2], encoder(x[1:, 2:])[0, 0])  # rows are independent


def test_without_a_number_agents_are_a_set_and_the_absent_are_seen_by_themselves_alone() -> None:
    torch.manual_seed(0)
    encoder = AgentTransformer(None, width=8, layers=2, heads=2, feedforward=16).double()
    x = torch.randn(5, 4, 8).double()
    torch.testing.assert_close(encoder(x[:, [3, 1, 0, 2]]), encoder(x)[:, [3, 1, 0, 2]])
    present = torch.tensor([True, True, False, True]).expand(5, -1)
    left = encoder(x, present)
    torch.testing.assert_close(left[:, [0, 1, 3]], encoder(x[:, [0, 1, 3]]))
    everyone = torch.ones_like(present)
    torch.testing.assert_close(encoder(x, everyone), encoder(x))


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of the 3 attention heads"):
        AgentTransformer(agents=2, width=8, layers=1, heads=3, feedforward=8)
