"""One step of a GRU against torch's own cell."""

import torch

from marlbench.toolbox.gru_gates import gru_gates


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
