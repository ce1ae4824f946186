"""A GRU over many short sequences whose state is reset wherever an episode begins.

h_t   state            n_t  candidate       r_t, z_t  reset and update gates
k_t   1 to keep the state, 0 to reset it

Cho et al. 2014, arXiv:1406.1078v3, in the form of torch.nn.GRU:
`h = k_t h_{t-1}`, `r, z = sigmoid(x W_rz + h U_rz + c_rz)`, `n = tanh(x W_n + r (h U_n + c_n))`,
`h_t = (1 - z) n + z h`. The derivative is written out: one pass over time for any pattern of
resets, with few passes over memory.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

sigmoid_derivative = torch.ops.aten.sigmoid_backward
tanh_derivative = torch.ops.aten.tanh_backward


class Scan(torch.autograd.Function):
    """States (T, N, D) from gates' inputs x (T, N, 3D), h_0 (N, D), k (T, N, 1), U, c."""

    @staticmethod
    def forward(  # noqa: PLR0913 (autograd wants its tensors one by one)
        ctx: Any, x: Tensor, h: Tensor, keep: Tensor, weight: Tensor, bias: Tensor
    ) -> Tensor:
        """Give the states after each step; remember gates for `backward`."""
        size = h.shape[-1]
        states, before, candidate, shift = (x.new_empty(*x.shape[:2], size) for _ in range(4))
        gates = x.new_empty(*x.shape[:2], 2 * size)  # r and z
        recurrent = torch.empty_like(x[0])  # (N, 3D), used again at every step: it stays in cache
        for t in range(len(x)):
            torch.mul(h, keep[t], out=before[t])
            torch.addmm(bias, before[t], weight.t(), out=recurrent)
            torch.add(x[t, :, : 2 * size], recurrent[:, : 2 * size], out=gates[t]).sigmoid_()
            shift[t] = recurrent[:, 2 * size :]
            r, z = gates[t].chunk(2, -1)  # (N, D) each
            torch.addcmul(x[t, :, 2 * size :], r, shift[t], out=candidate[t]).tanh_()
            h = torch.lerp(candidate[t], before[t], z, out=states[t])
        ctx.save_for_backward(keep, weight, before, gates, candidate, shift)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor | None, ...]:
        """Give gradients of x, h_0, U and c, backwards through time."""
        keep, weight, before, gates, candidate, shift = ctx.saved_tensors
        size = before.shape[-1]
        d_x = before.new_empty(*before.shape[:2], 3 * size)
        d_recurrent = torch.empty_like(d_x[0])  # (N, 3D), used again at every step
        d_weight, d_bias = torch.zeros_like(weight), torch.zeros_like(weight[:, 0])
        d_h = torch.zeros_like(before[0])
        for t in reversed(range(len(before))):
            d_h = d_h + d_states[t]
            r, z = gates[t].chunk(2, -1)  # (N, D) each
            d_n = tanh_derivative(d_h * (1 - z), candidate[t])
            d_r = sigmoid_derivative(d_n * shift[t], r)
            d_z = sigmoid_derivative(d_h * (before[t] - candidate[t]), z)
            torch.cat([d_r, d_z, d_n], -1, out=d_x[t])
            torch.cat([d_r, d_z, d_n * r], -1, out=d_recurrent)
            d_weight.addmm_(d_recurrent.t(), before[t])
            d_bias += d_recurrent.sum(0)
            d_h = torch.addmm(d_h * z, d_recurrent, weight) * keep[t]
        return d_x, d_h, None, d_weight, d_bias


class MaskedGRU(nn.Module):
    """One GRU layer with orthogonal weights and zero biases."""

    def __init__(self, inputs: int, size: int) -> None:
        super().__init__()
        self.weight_x = nn.Parameter(nn.init.orthogonal_(torch.empty(3 * size, inputs)))
        self.weight_h = nn.Parameter(nn.init.orthogonal_(torch.empty(3 * size, size)))
        self.bias_x = nn.Parameter(torch.zeros(3 * size))
        self.bias_h = nn.Parameter(torch.zeros(3 * size))

    def forward(self, x: Tensor, h: Tensor, keep: Tensor) -> Tensor:
        """States (T, N, D) from x (T, N, inputs), h (N, D) before them, keep (T, N) of 0 and 1."""
        gates = F.linear(x, self.weight_x, self.bias_x)  # (T, N, 3D)
        scan: Callable[..., Tensor] = Scan.apply  # untyped in torch
        return scan(gates, h, keep.unsqueeze(-1), self.weight_h, self.bias_h)
