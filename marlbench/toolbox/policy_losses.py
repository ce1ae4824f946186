"""Losses of policies, one number per decision: the caller weights and averages."""

import torch
from torch import Tensor


def ppo_clip(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Clipped surrogate loss (...) to minimise [Schulman et al. 2017, arXiv:1707.06347v2, Eq. 7].

    `-min(ratio A, clamp(ratio, 1 - clip, 1 + clip) A)` with `ratio = exp(log_prob - old_log_prob)`.

    >>> double, same = torch.tensor([2.0]).log(), torch.tensor([0.0])
    >>> ppo_clip(double, same, torch.tensor([1.0]), clip=0.2)
    tensor([-1.2000])
    >>> ppo_clip(double, same, torch.tensor([-1.0]), clip=0.2)
    tensor([2.])
    """
    ratio = (log_prob - old_log_prob).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage)
