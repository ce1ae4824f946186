"""Two-hot regression against the dense definition, and its float32 hazards."""

import pytest
import torch
from torch import Tensor

from marlbench_dmawm.twohot import TwoHot, symexp, symlog


def dense_target(x: float, bins: Tensor) -> Tensor:
    """The (bins,) distribution over the two bins beside x whose mean is x."""
    target = torch.zeros(len(bins), dtype=bins.dtype)
    below = int((bins <= x).sum()) - 1
    if below == len(bins) - 1:
        target[below] = 1.0
        return target
    share = (x - bins[below]) / (bins[below + 1] - bins[below])
    target[below], target[below + 1] = 1 - share, share
    return target


def test_symexp_inverts_symlog_and_is_not_the_papers_misprint() -> None:
    x = torch.tensor([-1e4, -3.0, -0.1, 0.0, 0.1, 3.0, 1e4], dtype=torch.float64)
    torch.testing.assert_close(symexp(symlog(x)), x)
    torch.testing.assert_close(symexp(torch.tensor(1.0)), torch.tensor(1.0).expm1())


def test_loss_equals_cross_entropy_with_the_dense_target() -> None:
    twohot = TwoHot(bins=41).double()
    logits = torch.randn(8, 41, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = [0.0, 0.3, -0.3, 1.0, 19.7, -250.0, float(twohot.bins[7]), float(twohot.bins[-1])]
    expected = torch.stack(
        [
            -(dense_target(x, twohot.bins) * row.log_softmax(-1)).sum()
            for x, row in zip(values, logits, strict=True)
        ]
    )
    got = twohot.loss(logits, torch.tensor(values, dtype=torch.float64))
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)  # float64, other order


def test_the_loss_is_least_where_the_mean_is_the_target() -> None:
    twohot = TwoHot()
    target = torch.tensor([-20.0, 0.0, 0.37, 5.0])
    logits = torch.zeros(4, 255, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.5)
    for _ in range(200):
        optimiser.zero_grad()
        twohot.loss(logits, target).sum().backward()
        optimiser.step()
    # 200 steps leave a per mille or so of the mass on far bins next to the target
    torch.testing.assert_close(twohot.mean(logits.detach()), target, rtol=0.02, atol=0.02)


def test_zero_logits_mean_exactly_zero_in_float32() -> None:
    assert TwoHot().mean(torch.zeros(3, 255)).eq(0).all()


def test_nearly_uniform_logits_are_decoded_as_in_float64() -> None:
    logits = 1e-6 * torch.randn(2000, 255, generator=torch.Generator().manual_seed(0))
    exact = TwoHot().double().mean(logits.double())
    error = (TwoHot().mean(logits) - exact).abs().median()
    # probabilities near 1/255 carry 2e-10 of rounding each, times bins of up to 5e8
    assert error < 0.2


def test_targets_beyond_the_bins_are_clipped_and_even_bins_refused() -> None:
    twohot = TwoHot(bins=5, limit=1.0)
    beyond = twohot.loss(torch.zeros(1, 5), torch.tensor([99.0]))
    torch.testing.assert_close(beyond, torch.tensor([5.0]).log())
    with pytest.raises(ValueError, match="odd number of bins"):
        TwoHot(bins=4)
