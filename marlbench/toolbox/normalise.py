"""Normalisation by statistics of the data: of value targets as they drift, of advantages."""

import torch
from torch import Tensor, nn

__all__ = ["ValueNorm", "standardise"]

VARIANCE_FLOOR = 1e-2
DEBIAS_FLOOR = 1e-5


class ValueNorm(nn.Module):
    """Exponential moving mean and variance of value targets; a critic predicts in these units.

    `m <- beta m + (1 - beta) mean(x)`, `q <- beta q + (1 - beta) mean(x^2)`, both divided by
    `1 - beta^n`, which undoes their start at 0; `var = q - m^2`, at least 0.01.
    [code: onpolicy/utils/valuenorm.py@de66d7a]
    """

    mean: Tensor
    mean_square: Tensor
    weight: Tensor

    def __init__(self, beta: float = 0.99999) -> None:
        super().__init__()
        self.beta = beta
        for name in ("mean", "mean_square", "weight"):
            self.register_buffer(name, torch.zeros(()))

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Take the mean and mean square of all entries of x (...) into the averages."""
        self.mean.mul_(self.beta).add_(x.mean() * (1 - self.beta))
        self.mean_square.mul_(self.beta).add_(x.square().mean() * (1 - self.beta))
        self.weight.mul_(self.beta).add_(1 - self.beta)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean () and standard deviation () of the targets; 0 and 0.1 before any were seen."""
        weight = self.weight.clamp(min=DEBIAS_FLOOR)
        mean = self.mean / weight
        variance = self.mean_square / weight - mean.square()
        return mean, variance.clamp(min=VARIANCE_FLOOR).sqrt()

    def normalise(self, x: Tensor) -> Tensor:
        """From the targets' own units to the critic's."""
        mean, std = self.moments()
        return (x - mean) / std

    def denormalise(self, x: Tensor) -> Tensor:
        """From the critic's units to the targets' own."""
        mean, std = self.moments()
        return x * std + mean


def standardise(x: Tensor, weight: Tensor, eps: float = 1e-5, correction: int = 0) -> Tensor:
    """`(x - mean) / (std + eps)` for all entries (...), with the moments of the weighted ones.

    `weight` (...) may be a mask. The variance is divided by the weights' sum less `correction`.

    >>> standardise(torch.tensor([1.0, 3.0, 9.0]), torch.tensor([True, True, False]), eps=0.0)
    tensor([-1.,  1.,  7.])
    """
    total = weight.sum().clamp(min=1)
    mean = (x * weight).sum() / total
    variance = ((x - mean).square() * weight).sum() / (total - correction)
    return (x - mean) / (variance.sqrt() + eps)
