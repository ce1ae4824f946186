"""Optimisers are torch's, step for step and state for state; the compiler is not loaded by them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from marlbench.toolbox.optimisers import Adam, RMSprop

Weights = Iterator[nn.Parameter]
Maker = Callable[[Weights], torch.optim.Optimizer]

PAIRS: list[tuple[Maker, Maker]] = [
    (lambda w: Adam(w, 0.01, fused=True), lambda w: torch.optim.Adam(w, 0.01, fused=True)),
    (
        lambda w: Adam(w, 0.01, eps=1e-5, weight_decay=0.1, fused=True),
        lambda w: torch.optim.Adam(w, 0.01, eps=1e-5, weight_decay=0.1, fused=True),
    ),
    (lambda w: RMSprop(w, 0.01, 0.9, 1e-4), lambda w: torch.optim.RMSprop(w, 0.01, 0.9, 1e-4)),
]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))


def train(net: nn.Module, optimiser: torch.optim.Optimizer, seeds: range) -> list[Tensor]:
    """Take a step for each seed; give all weights after it."""
    after = []
    for seed in seeds:
        inputs = torch.randn(11, 5, generator=torch.Generator().manual_seed(seed))
        optimiser.zero_grad()
        net(inputs).square().sum().backward()
        optimiser.step()
        after += [weight.detach().clone() for weight in net.parameters()]
    return after


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal to the last bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return torch.equal(a, b) if isinstance(a, Tensor) else a == b


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_steps_and_states_are_those_of_torch(ours: Maker, theirs: Maker) -> None:
    nets = network(), network()
    pair = ours(nets[0].parameters()), theirs(nets[1].parameters())
    steps, expected = (train(*each, range(20)) for each in zip(nets, pair, strict=True))
    assert all(map(torch.equal, steps, expected))
    assert same(pair[0].state_dict(), pair[1].state_dict())


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_what_torch_saved_is_gone_on_from(ours: Maker, theirs: Maker) -> None:
    before, after = network(), network()
    old = theirs(before.parameters())
    train(before, old, range(5))
    new = ours(after.parameters())
    after.load_state_dict(before.state_dict())
    new.load_state_dict(deepcopy(old.state_dict()))
    pairs = zip(train(before, old, range(5, 9)), train(after, new, range(5, 9)), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_step_is_told_to_whoever_listens_to_all_optimisers() -> None:
    net, heard = network(), list[Any]()
    optimiser = Adam(net.parameters(), fused=True)
    hook = register_optimizer_step_post_hook(lambda who, *_: heard.append(who))
    try:
        train(net, optimiser, range(2))
    finally:
        hook.remove()
    assert heard == [optimiser, optimiser]
