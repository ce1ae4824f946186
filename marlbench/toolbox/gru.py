"""GRUs whose products are made as the caller wants: over packed episodes, or a single step's gates.

Rows are packed time-major: first row 0 of every episode, then row 1 of those that have one,
and so on, longest episode first; `sizes[t]` says how many rows step t has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from marlbench.toolbox.linear import product, worthwhile

__all__ = ["PackedGRU", "gru_gates"]


class PackedGRU(nn.GRUCell):
    """A GRU cell, `forward(x, h)` for one step, with `unroll` for whole packed episodes."""

    def unroll(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        """Give every row's state (N, D) for inputs (N, I), from zeros at each episode's start."""
        assert len(x) == sum(sizes), f"{len(x)} rows, but the steps have {sum(sizes)}"
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        return Scan.apply(x, *weights, list(sizes))  # type: ignore[no-untyped-call]


class Scan(torch.autograd.Function):
    """The recurrence with its backward pass written out, so that every product can be a fast one.

    `r = sigmoid(W_r x + U_r h)`, `u = sigmoid(W_u x + U_u h)`, `n = tanh(W_n x + r (U_n h))`,
    `h' = n + u (h - n)`, biases left out here; `W` is `weight_ih`, `U` is `weight_hh`.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        """Give states (N, D) of x (N, I), W (3 D, I), U (3 D, D), their biases and the sizes."""
        x, w, u, w_bias, u_bias, sizes = arguments
        recording = any(ctx.needs_input_grad)
        width = u.shape[1]
        w_both, w_new = w.split([2 * width, width])
        u_both, u_new = u.split([2 * width, width])
        w_new, bias_new = 2 * w_new, 2 * w_bias[2 * width :]  # of tanh, see `tanh_of_half_`
        bias_shift = u_bias[2 * width :]
        bias_both = w_bias[: 2 * width] + u_bias[: 2 * width]
        ctx.kept = []
        states = x.new_empty(len(x), width)
        rows = states.detach().split(sizes)  # views of the result itself would keep each other
        h = x.new_zeros(sizes[0], width)
        for t, (x_t, state) in enumerate(zip(x.split(sizes), rows, strict=True)):
            h = h[: len(x_t)]
            both = product(x_t, w_both, bias_both)  # (N, 2 D)
            shift = bias_shift.expand(len(h), -1)  # of zeros
            if t:
                both, shift = added(both, h, u_both), product(h, u_new, bias_shift)
            r, u_t = both.sigmoid_().split(width, 1)
            n = tanh_of_half_(product(x_t, w_new, bias_new).addcmul_(r, shift, value=2))
            if recording:
                ctx.kept.append((x_t, h, r, u_t, n, shift))
            h = torch.lerp(n, h, u_t, out=state)
        ctx.save_for_backward(w, u)
        return states

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Go back through time: gradients of x and of the weights and biases."""
        w, u = ctx.saved_tensors
        width = u.shape[1]
        to_w, to_u = torch.zeros_like(w), torch.zeros_like(u)
        to_bias, to_shift = grad.new_zeros(len(w)), grad.new_zeros(width)
        carry = grad.new_zeros(0, width)
        sizes = [len(kept[0]) for kept in ctx.kept]
        to_x = grad.new_empty(len(grad), w.shape[1])
        parts = zip(ctx.kept, grad.split(sizes), to_x.split(sizes), strict=True)
        for t, ((x, h, *gates), rows, to_x_t) in reversed(list(enumerate(parts))):
            carry += rows[: len(carry)]
            begun = rows[len(carry) :]  # of episodes whose last row this is
            to_h = torch.cat([carry, begun]) if len(begun) else carry
            to_gates, kept_share = cell_gradient(to_h, h, *gates)
            put(to_x_t, to_gates, w.t())
            to_w.addmm_(to_gates.t(), x)
            to_bias += to_gates.sum(0)
            to_gates[:, 2 * width :] *= gates[0]  # from here on of U h
            to_shift += to_gates[:, 2 * width :].sum(0)
            if t:  # the first step's states are zeros that want no gradient
                to_u.addmm_(to_gates.t(), h)
                carry = added(kept_share, to_gates, u.t())
        to_u_bias = torch.cat([to_bias[: 2 * width], to_shift])
        return to_x, to_w, to_u, to_bias, to_u_bias, None


def added(total: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Add x W' (N, D) of x (N, I), weight (D, I) to a total (N, D), in place."""
    if worthwhile(x, weight):
        return total.add_(product(x, weight))
    return total.addmm_(x, weight.t())


def put(result: Tensor, x: Tensor, weight: Tensor) -> None:
    """Write x W' (N, D) of x (N, I), weight (D, I) into a result (N, D)."""
    if worthwhile(x, weight):
        result.copy_(product(x, weight))
    else:
        torch.mm(x, weight.t(), out=result)


def tanh_of_half_(a: Tensor) -> Tensor:
    """Give tanh(a / 2) = 2 sigmoid(a) - 1 in place: a fifth of tanh's time, the same to 1e-7."""
    return a.sigmoid_().mul_(2).sub_(1)


def cell(from_x: Tensor, from_h: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give gates r, u, n and the state's part of n, each (N, D), of two products (N, 3 D)."""
    width = from_x.shape[1] // 3
    both = torch.add(from_x[:, : 2 * width], from_h[:, : 2 * width]).sigmoid_()  # (N, 2 D)
    r, u = both.split(width, 1)
    shift = from_h[:, 2 * width :]
    n = tanh_of_half_(torch.addcmul(from_x[:, 2 * width :], r, shift).mul_(2))
    return r, u, n, shift


def cell_gradient(to_h: Tensor, h: Tensor, *gates: Tensor) -> tuple[Tensor, Tensor]:
    """Give gradients of the sums inside r, u, n (N, 3 D) and, past them, of h (N, D)."""
    r, u, n, shift = gates
    to_gates = to_h.new_empty(len(to_h), 3 * to_h.shape[1])
    to_r, to_u, to_n = to_gates.split(to_h.shape[1], 1)
    kept_share = to_h * u
    part = to_h - kept_share
    torch.addcmul(part, part * n, n, value=-1, out=to_n)  # n' = 1 - n n
    part = (h - n).mul_(kept_share)
    torch.addcmul(part, part, u, value=-1, out=to_u)  # u' = u (1 - u)
    part = (to_n * shift).mul_(r)
    torch.addcmul(part, part, r, value=-1, out=to_r)
    return to_gates, kept_share


def gru_gates(from_x: Tensor, from_h: Tensor, h: Tensor) -> Tensor:
    """Give the next state (N, D) of products `W x + b`, `U h + c` (N, 3 D) and the state (N, D).

    Rows are ordered reset, update, new: `h' = n + u (h - n)`, `n = tanh(W_n x + r (U_n h))`
    [Cho et al. 2014, arXiv:1406.1078v3, as torch.nn.GRU has it].
    """
    return Gates.apply(from_x, from_h, h)  # type: ignore[no-untyped-call]


class Gates(torch.autograd.Function):
    """The step and, from the gates that it kept, its gradients."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        """Give the next state."""
        from_x, from_h, h = arguments
        r, u, n, shift = cell(from_x, from_h)
        ctx.save_for_backward(h, r, u, n, shift)
        return torch.lerp(n, h, u)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the gradients of both products and of the state."""
        h, r, u, n, shift = ctx.saved_tensors
        to_x, to_h = cell_gradient(grad, h, r, u, n, shift)
        to_products = to_x.clone()
        to_products[:, 2 * h.shape[1] :] *= r
        return to_x, to_products, to_h
