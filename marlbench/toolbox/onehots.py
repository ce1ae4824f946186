"""Numbers as one-hot vectors, without the table of all of them."""

import torch
from torch import Tensor

__all__ = ["one_hot"]


def one_hot(numbers: Tensor, count: int) -> Tensor:
    """Give one-hot vectors (..., count) of numbers (...); zeros for `count` itself, none.

    A table to look them up in takes as much memory as the square of the count.

    >>> one_hot(torch.tensor([1, 2]), 2)
    tensor([[0., 1.],
            [0., 0.]])
    """
    found = torch.zeros(*numbers.shape, count + 1, device=numbers.device)
    return found.scatter_(-1, numbers.unsqueeze(-1), 1.0)[..., :-1]
