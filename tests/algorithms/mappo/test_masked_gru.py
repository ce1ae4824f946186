"""The masked GRU against torch's own, and its written-out derivative against differences."""

import torch

from marlbench_mappo.masked_gru import MaskedGRU, Scan


def test_the_derivative_is_that_of_small_differences() -> None:
    torch.manual_seed(0)
    shapes = ((4, 3, 6), (3, 2), (6, 2), (6,))
    x, h, weight, bias = (torch.randn(s, dtype=torch.double, requires_grad=True) for s in shapes)
    keep = (torch.rand(4, 3, 1) < 0.6).double()
    assert torch.autograd.gradcheck(Scan.apply, (x, h, keep, weight, bias))


def test_states_and_gradients_are_those_of_a_cell_that_is_reset() -> None:
    torch.manual_seed(0)
    gru, cell = MaskedGRU(5, 4).double(), torch.nn.GRUCell(5, 4).double()
    for bias in (gru.bias_x, gru.bias_h):
        torch.nn.init.normal_(bias)
    cell.load_state_dict(
        {
            "weight_ih": gru.weight_x,
            "weight_hh": gru.weight_h,
            "bias_ih": gru.bias_x,
            "bias_hh": gru.bias_h,
        }
    )
    x, h = torch.randn(6, 3, 5, dtype=torch.double), torch.randn(3, 4, dtype=torch.double)
    keep = (torch.rand(6, 3) < 0.6).double()
    expected, state = [], h
    for x_t, keep_t in zip(x, keep, strict=True):
        state = cell(x_t, state * keep_t[:, None])
        expected.append(state)
    states = gru(x, h, keep)
    torch.testing.assert_close(states, torch.stack(expected))  # float64: its default, 1e-7
    weights = torch.randn(6, 3, 4, dtype=torch.double)
    ours = torch.autograd.grad((states * weights).sum(), list(gru.parameters()))
    theirs = torch.autograd.grad(
        (torch.stack(expected) * weights).sum(),
        [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh],
    )
    torch.testing.assert_close(ours, theirs)
