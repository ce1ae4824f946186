"""The normalised GRU by its formula, and how weights start."""

import torch
import torch.nn.functional as F

from marlbench.toolbox.networks import NormGRU, initialise, mlp


def test_the_gru_follows_its_formula() -> None:
    torch.manual_seed(0)
    gru = NormGRU(inputs=3, hidden=4).double()
    x, h = torch.randn(5, 3).double(), torch.randn(5, 4).double()
    both = torch.cat([gru.weight_x, gru.weight_h], 1)  # (3D, inputs + D)
    parts = F.layer_norm(torch.cat([x, h], -1) @ both.T, (12,), eps=1e-3)
    reset, candidate, update = parts[:, :4], parts[:, 4:8], parts[:, 8:]
    gate = 1 / (1 + (-update).exp())
    expected = gate * torch.tanh(reset.sigmoid() * candidate) + (1 - gate) * h
    torch.testing.assert_close(gru(x, h), expected)


def test_weights_have_the_variance_that_is_asked_for_and_outputs_may_start_at_zero() -> None:
    torch.manual_seed(0)
    weight = initialise(torch.nn.Linear(300, 500)).weight
    # 150 000 draws: the standard error of a standard deviation is 0.2 %
    torch.testing.assert_close(weight.std().item(), (1 / 400) ** 0.5, rtol=0.01, atol=0)
    assert mlp(4, 8, 3, layers=2, out_scale=0.0)(torch.randn(2, 4)).eq(0).all()
