"""torch's optimisers without the compiler that they import to hide from: a run begins sooner.

torch marks methods of its optimisers as nothing to compile, and the mark imports `torch._dynamo`
and with it sympy and a thousand modules, more processor time than all else before a run's first
step. Learners here are not compiled, so they take the methods as torch wrote them, unmarked: the
same steps bit for bit, the same states and hooks.
"""

from __future__ import annotations

from inspect import unwrap
from typing import Any

import torch

__all__ = ["Adam", "RMSprop"]


class Unmarked(torch.optim.Optimizer):
    """The methods that are the same in all optimisers."""

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)


class Adam(Unmarked, torch.optim.Adam):
    """`torch.optim.Adam`."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step down the gradients that are there; `closure` as torch has it."""
        return unwrap(torch.optim.Adam.step)(self, closure)


class RMSprop(Unmarked, torch.optim.RMSprop):
    """`torch.optim.RMSprop`."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step down the gradients that are there; `closure` as torch has it."""
        return unwrap(torch.optim.RMSprop.step)(self, closure)
