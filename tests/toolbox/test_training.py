"""A gradient step is torch's own, clipped over all weights; metrics become numbers unchanged."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from marlbench.toolbox.training import clipped_step, descend, means, to_floats


def networks() -> list[nn.Linear]:
    torch.manual_seed(0)
    return [nn.Linear(3, 2), nn.Linear(2, 1)]


@pytest.mark.parametrize("longest", [0.1, 1e9])
def test_a_step_follows_the_gradient_cut_to_its_longest(longest: float) -> None:
    first, second = networks()
    optimiser = torch.optim.SGD(
        [{"params": list(first.parameters())}, {"params": list(second.parameters())}], lr=0.5
    )
    weights = [*first.parameters(), *second.parameters()]
    before = [weight.detach().clone() for weight in weights]

    def loss() -> torch.Tensor:
        return second(first(torch.ones(4, 3))).square().sum()

    gradients = torch.autograd.grad(loss(), weights)
    length = math.sqrt(sum(float(g.square().sum()) for g in gradients))
    loss().backward()  # what is there already does not count
    norm = descend(loss(), optimiser, longest)
    assert norm.item() == pytest.approx(length, rel=1e-6)  # float32
    scale = min(1.0, longest / length)
    for weight, old, gradient in zip(weights, before, gradients, strict=True):
        # float32, and torch adds 1e-6 to the norm that it divides by
        torch.testing.assert_close(weight, old - 0.5 * scale * gradient, rtol=1e-5, atol=1e-6)


def test_gradients_that_were_summed_before_are_stepped_by_together() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    for factor in (2.0, 3.0):
        (factor * weight).sum().backward()
    optimiser = torch.optim.SGD([weight], lr=0.1)
    assert clipped_step(optimiser, 10.0).item() == 5.0
    torch.testing.assert_close(weight.detach(), torch.tensor([0.5]))


def test_metrics_are_means_and_numbers_in_their_order() -> None:
    reports = [{"b": torch.tensor(1.0), "a": torch.tensor(k)} for k in (2.0, 4.0)]
    assert list(to_floats(means(reports)).items()) == [("b", 1.0), ("a", 3.0)]
    counts = {"steps": torch.tensor(3), "loss": torch.tensor(0.5, requires_grad=True)}
    assert to_floats(counts) == {"steps": 3.0, "loss": 0.5}
    assert to_floats({}) == {}
