"""Symlog squashing and two-hot regression of numbers whose scale is unknown.

Hafner et al. 2023, arXiv:2301.04104v2, "Robust predictions".
"""

import torch
from torch import Tensor, nn


def symlog(x: Tensor) -> Tensor:
    """`sign(x) ln(1 + |x|)`: near the identity at 0, logarithmic far away.

    >>> symlog(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.6931,  0.0000,  0.6931])
    """
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    """`sign(x) (exp(|x|) - 1)`, the inverse of `symlog`.

    >>> symexp(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-1.7183,  0.0000,  1.7183])
    """
    return x.sign() * x.abs().expm1()


class TwoHot(nn.Module):
    """A scalar as a categorical over bins at `symexp(linspace(-limit, limit, bins))`.

    Holds no parameters: `mean` reads logits (..., bins), `loss` scores them.
    """

    bins: Tensor

    def __init__(self, bins: int = 255, limit: float = 20.0) -> None:
        super().__init__()
        if bins % 2 == 0:
            msg = f"two-hot needs an odd number of bins, so that 0 is one of them: got {bins}"
            raise ValueError(msg)
        half = symexp(torch.linspace(0, limit, bins // 2 + 1, dtype=torch.float64))[1:]
        exact = torch.cat([-half.flip(0), half.new_zeros(1), half])
        self.register_buffer("bins", exact.float(), persistent=False)  # (bins,)

    @property
    def first(self) -> float:
        """The first bin above 0."""
        return float(self.bins[len(self.bins) // 2 + 1])

    def mean(self, logits: Tensor) -> Tensor:
        """Expected value (...).

        Mirrored bins are summed in pairs, `sum_k b_k (p_k - p_-k)`: bins reach 5e8, so that the
        plain sum loses a symmetric distribution's 0 in float32 rounding.
        """
        probs = logits.float().softmax(-1) if logits.dtype != torch.float64 else logits.softmax(-1)
        middle = len(self.bins) // 2
        upper = probs[..., middle + 1 :]  # (..., middle)
        lower = probs[..., :middle].flip(-1)  # (..., middle)
        return ((upper - lower) * self.bins[middle + 1 :]).sum(-1)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy (...) to the two bins beside the target (...), weighted by nearness.

        Never builds the (..., bins) target: two gathers and one logsumexp.
        """
        target = target.to(self.bins.dtype).clamp(self.bins[0], self.bins[-1])
        upper = torch.bucketize(target, self.bins, right=True).clamp(1, len(self.bins) - 1)
        below, above = self.bins[upper - 1], self.bins[upper]
        weight = ((target - below) / (above - below)).to(logits.dtype)
        near = logits.gather(-1, torch.stack([upper - 1, upper], -1))  # (..., 2)
        return logits.logsumexp(-1) - torch.lerp(near[..., 0], near[..., 1], weight)
