"""Losses of values, one number per prediction: the caller weights and averages."""

import torch
import torch.nn.functional as F
from torch import Tensor


def clipped_huber(value: Tensor, old: Tensor, target: Tensor, clip: float, delta: float) -> Tensor:
    """Pessimistic Huber loss (...) of a value that is held near its old prediction.

    `max(huber(target - value), huber(target - clamp(value, old - clip, old + clip)))`, where
    `huber(e) = e^2 / 2` up to `|e| = delta` and `delta (|e| - delta / 2)` beyond
    [code: onpolicy/algorithms/r_mappo/r_mappo.py@de66d7a].

    >>> old, target = torch.tensor([0.0, 0.0]), torch.tensor([1.0, -20.0])
    >>> clipped_huber(torch.tensor([1.0, 0.0]), old, target, clip=0.2, delta=10.0)
    tensor([  0.3200, 150.0000])
    """
    value, old, target = torch.broadcast_tensors(value, old, target)
    near = old + (value - old).clamp(-clip, clip)
    return torch.maximum(
        F.huber_loss(value, target, reduction="none", delta=delta),
        F.huber_loss(near, target, reduction="none", delta=delta),
    )
