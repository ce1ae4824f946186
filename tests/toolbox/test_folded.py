"""What the leaf promises, against its definition."""

import torch

from marlbench.toolbox.folded import NormLinear


def test_folding_changes_neither_the_output_nor_the_gradients() -> None:
    torch.manual_seed(0)
    layer, x = NormLinear(6, 4, gain=1.0).double(), torch.randn(5, 6, dtype=torch.double)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    folded, plain = layer(x), layer.linear(layer.norm(x))
    torch.testing.assert_close(folded, plain)  # float64: its default tolerance of 1e-7
    weights = torch.randn(5, 4, dtype=torch.double)
    ours = torch.autograd.grad((folded * weights).sum(), list(layer.parameters()))
    theirs = torch.autograd.grad((plain * weights).sum(), list(layer.parameters()))
    torch.testing.assert_close(ours, theirs)
