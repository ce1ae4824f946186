"""The monotonic mixer is its formula and rises in every agent's value; the sum is a sum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from marlbench.toolbox.mixers import MonotonicMixer, NoMixer, SumMixer

AGENTS, STATE = 3, 5


@pytest.fixture
def mixer() -> MonotonicMixer:
    torch.manual_seed(0)
    return MonotonicMixer(AGENTS, STATE, embed=4, hyper=6).double()


def by_hand(mixer: MonotonicMixer, utilities: Tensor, state: Tensor) -> Tensor:
    """w_2 . elu(q W_1 + b_1) + b_2 for one state, written as the paper has it."""
    w1 = mixer.hyper_w1(state).abs().reshape(AGENTS, 4)
    hidden = functional.elu(utilities @ w1 + mixer.hyper_b1(state))
    return hidden @ mixer.hyper_w2(state).abs() + mixer.hyper_b2(state).squeeze()


def test_mixing_is_the_formula_with_its_gradients(mixer: MonotonicMixer) -> None:
    utilities = torch.randn(7, AGENTS, dtype=torch.float64, requires_grad=True)
    state = torch.randn(7, STATE, dtype=torch.float64)
    expected = torch.stack([by_hand(mixer, u, s) for u, s in zip(utilities, state, strict=True)])
    mixed = mixer(utilities, state)
    # float64: the same sums in another order
    torch.testing.assert_close(mixed[:, 0], expected, rtol=1e-12, atol=1e-12)
    wanted = [utilities, *mixer.parameters()]
    weights = torch.randn(7, dtype=torch.float64)
    ours = torch.autograd.grad(mixed[:, 0] @ weights, wanted)
    theirs = torch.autograd.grad(expected @ weights, wanted)
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-12, atol=1e-12)


def test_the_joint_value_never_falls_in_any_utility(mixer: MonotonicMixer) -> None:
    utilities = 3 * torch.randn(200, AGENTS, dtype=torch.float64, requires_grad=True)
    mixed = mixer(utilities, torch.randn(200, STATE, dtype=torch.float64))
    (slope,) = torch.autograd.grad(mixed.sum(), utilities)
    assert (slope >= 0).all()
    assert (slope > 0).any()


@pytest.mark.parametrize(("mixer_type", "columns"), [(SumMixer, 1), (NoMixer, AGENTS)])
def test_the_other_mixers_need_no_state(mixer_type: type[nn.Module], columns: int) -> None:
    utilities = torch.tensor([[1.0, 2.0, 4.0], [0.0, -1.0, 1.0]])
    mixed = mixer_type()(utilities, None)
    assert mixed.shape == (2, columns)
    assert torch.equal(mixed.sum(-1), utilities.sum(-1))
