"""A gradient step, and its metrics as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

__all__ = ["clipped_step", "descend", "means", "to_floats"]


def descend(loss: Tensor, optimiser: torch.optim.Optimizer, max_norm: float) -> Tensor:
    """Take one step down a loss (); give the gradient's norm () before it was clipped."""
    optimiser.zero_grad()
    loss.backward()
    return clipped_step(optimiser, max_norm)


def clipped_step(optimiser: torch.optim.Optimizer, max_norm: float) -> Tensor:
    """Scale the gradient of all the optimiser's weights to `max_norm` if it is longer, and step.

    Gives the gradient's norm () as it was. The gradients are there already.
    """
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    norm = nn.utils.clip_grad_norm_(weights, max_norm)
    optimiser.step()
    return norm


def means(reports: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Give the mean () of every metric over reports of the same metrics.

    >>> means([{"loss": torch.tensor(1.0)}, {"loss": torch.tensor(2.0)}])
    {'loss': tensor(1.5000)}
    """
    table = torch.stack([torch.stack(list(report.values())) for report in reports])
    return dict(zip(reports[0], table.mean(0), strict=True))


def to_floats(metrics: Mapping[str, Tensor]) -> dict[str, float]:
    """Give metrics () as numbers; they leave the device together, so that it is waited for once."""
    if not metrics:
        return {}
    numbers = torch.stack([metric.detach().float() for metric in metrics.values()]).tolist()
    return dict(zip(metrics, numbers, strict=True))
