"""The post-norm transformer against torch's own layers, its positions and its dropout."""

import pytest
import torch
from torch import nn

from marlbench_mamba.attention import PostNormTransformer, keep_factors, sinusoids

AGENTS, WIDTH, HEADS, INNER = 5, 8, 2, 12


def pair(layers: int) -> tuple[PostNormTransformer, nn.TransformerEncoder]:
    """Ours and torch's with the same weights, in double precision."""
    torch.manual_seed(0)
    ours = PostNormTransformer(AGENTS, WIDTH, layers, HEADS, INNER).double()
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, dropout=0.0, batch_first=True)
    theirs = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).double()
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)
    for block, copy in zip(ours.blocks, theirs.layers, strict=True):
        for to, source in zip(copy.parameters(), ordered(block), strict=True):
            to.data.copy_(source)
    return ours, theirs


def ordered(block: nn.Module) -> list[nn.Parameter]:
    """A block's parameters in torch's order."""
    parts = ("qkv", "project", "expand", "contract", "norm_attention", "norm_feedforward")
    return [p for name in parts for p in getattr(block, name).parameters()]


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("gradients", [True, False])
def test_it_is_torchs_encoder(layers: int, gradients: bool) -> None:
    ours, theirs = pair(layers)
    x = torch.randn(7 * AGENTS, WIDTH, dtype=torch.double, requires_grad=True)
    with torch.set_grad_enabled(gradients):
        mine = ours(x)
        tokens = x.view(7, AGENTS, WIDTH) + sinusoids(AGENTS, WIDTH)
        expected = theirs(tokens).view_as(x)
    torch.testing.assert_close(mine, expected)
    if gradients:
        up = torch.randn_like(x)
        inside = [x, *(p for block in ours.blocks for p in ordered(block))]
        torch.testing.assert_close(
            torch.autograd.grad(mine, inside, up),
            torch.autograd.grad(expected, [x, *theirs.parameters()], up),
        )


def test_positions_are_as_the_formula_says() -> None:
    code = sinusoids(40, 6)
    expected = torch.tensor([3.0 / 10000 ** (4 / 6)], dtype=torch.double)
    assert abs(float(code[3, 4]) - float(expected.sin())) < 1e-7  # float32 rounding
    assert abs(float(code[3, 5]) - float(expected.cos())) < 1e-7


@pytest.mark.parametrize("dropout", [0.1, 0.5])
def test_so_much_is_dropped_and_the_mean_is_kept(dropout: float) -> None:
    factors = keep_factors((3, 100_001), dropout, torch.Generator().manual_seed(0))
    share = float((factors == 0).float().mean())
    spread = (dropout * (1 - dropout) / factors.numel()) ** 0.5
    assert abs(share - dropout) < 5 * spread  # five standard deviations
    assert set(factors.unique().tolist()) == {0.0, float(factors.max())}
    assert abs(float(factors.max()) - 1 / (1 - dropout)) < 1e-4  # probabilities have 16 bits


def test_dropout_reaches_all_four_places_and_drops_what_it_is_told() -> None:
    """Factors of one change nothing; doubling those of one place alone changes the outcome."""
    ours, _ = pair(1)
    x = torch.randn(2 * AGENTS, WIDTH, dtype=torch.double)
    (block,) = ours.blocks
    sizes = block.masks(2 * AGENTS, AGENTS)  # type: ignore[operator]
    ones = torch.ones(1, sum(sizes), dtype=torch.double)
    torch.testing.assert_close(ours(x, ones), ours(x))
    for place in range(4):
        keep = ones.clone()
        keep.split(sizes, 1)[place].mul_(2)
        assert not torch.allclose(ours(x, keep), ours(x))


def test_nothing_is_drawn_where_nothing_is_dropped() -> None:
    ours, _ = pair(2)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert ours.draw(3, 2 * AGENTS, 0.0, generator) is None
    assert torch.equal(generator.get_state(), before)
    drawn = ours.draw(3, 2 * AGENTS, 0.1, generator)
    assert drawn is not None
    assert drawn.shape[:2] == (3, 2)
