"""A packed GRU and a GRU step are torch's cell, played over each episode alone, gradients too."""

from __future__ import annotations

import gc
import itertools
import weakref

import pytest
import torch
from torch import Tensor

from marlbench.toolbox.gru import PackedGRU, gru_gates

# float64: a few dozen operations of 1e-16 each, some sums in another order
EXACT = 1e-11


def packed(episodes: list[Tensor]) -> tuple[Tensor, list[int]]:
    """Pack episodes (T_i, I), longest first, time-major."""
    steps = [
        [e[t] for e in episodes if t < len(e)] for t in range(len(episodes[0]))
    ]  # rows of each time
    return torch.stack(list(itertools.chain(*steps))), [len(step) for step in steps]


def alone(gru: PackedGRU, episode: Tensor) -> Tensor:
    h = episode.new_zeros(1, gru.hidden_size)
    states = []
    for x in episode:
        h = gru(x[None], h)
        states.append(h[0])
    return torch.stack(states)


@pytest.mark.parametrize("lengths", [[5, 5, 5], [7, 4, 4, 1], [1], [3, 1, 1]])
def test_unrolling_is_each_episode_alone(lengths: list[int]) -> None:
    torch.manual_seed(0)
    gru = PackedGRU(4, 6).double()
    episodes = [torch.randn(n, 4, dtype=torch.float64, requires_grad=True) for n in lengths]
    x, sizes = packed(episodes)
    states = gru.unroll(x, sizes)
    expected, _ = packed([alone(gru, episode) for episode in episodes])
    torch.testing.assert_close(states, expected, rtol=0, atol=EXACT)
    weights = torch.randn_like(states)
    wanted = [*episodes, *gru.parameters()]
    ours = torch.autograd.grad((states * weights).sum(), wanted)
    theirs = torch.autograd.grad((expected * weights).sum(), wanted)
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference, rtol=0, atol=EXACT)


def test_what_is_kept_for_gradients_goes_with_the_states() -> None:
    gru = PackedGRU(4, 6)
    gc.collect()
    gc.disable()  # a cycle through torch would not be found by it either
    try:
        states = gru.unroll(torch.randn(6, 4), [3, 3])
        node, there = weakref.ref(states.grad_fn), weakref.ref(states)
        del states
        assert node() is None
        assert there() is None
    finally:
        gc.enable()


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(1)
    gru = PackedGRU(2, 3).double()
    x = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: gru.unroll(x, [3, 2, 1]), (x,))


def test_single_precision_at_the_size_of_a_batch() -> None:
    torch.manual_seed(2)
    gru = PackedGRU(64, 64)
    sizes = [300] * 10 + [200] * 10  # large enough for the fast products
    x = torch.randn(sum(sizes), 64)
    with torch.no_grad():
        states = gru.unroll(x, sizes)
        h, expected = x.new_zeros(300, 64), []
        for x_t in x.split(sizes):
            h = gru(x_t, h[: len(x_t)])
            expected.append(h)
    # float32: twenty steps of a few 1e-7, on states below 1
    torch.testing.assert_close(states, torch.cat(expected), rtol=0, atol=2e-6)


def test_rows_that_do_not_fit_the_sizes_are_refused() -> None:
    with pytest.raises(AssertionError, match="5 rows, but the steps have 4"):
        PackedGRU(2, 3).unroll(torch.zeros(5, 2), [3, 1])


def test_a_step_and_its_gradients_are_torchs() -> None:
    """In double precision: the order of sums does not show (tolerance: torch's 1e-7)."""
    torch.manual_seed(0)
    cell = torch.nn.GRUCell(5, 4).double()
    x = torch.randn(6, 5, dtype=torch.double, requires_grad=True)
    h = torch.randn(6, 4, dtype=torch.double, requires_grad=True)
    from_x = x @ cell.weight_ih.T + cell.bias_ih
    from_h = h @ cell.weight_hh.T + cell.bias_hh
    ours, theirs = gru_gates(from_x, from_h, h), cell(x, h)
    torch.testing.assert_close(ours, theirs)
    up = torch.randn_like(theirs)
    inputs = [x, h, *cell.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(ours, inputs, up), torch.autograd.grad(theirs, inputs, up)
    )
