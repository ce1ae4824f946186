"""Discrete latent states: vectors of K categoricals with C classes each, their samples and KL.

Hafner et al. 2021, arXiv:2010.02193v4 (straight-through categoricals, KL balancing) and
Hafner et al. 2023, arXiv:2301.04104v2 (1 % uniform mix, free bits).
"""

from torch import Tensor, nn

from marlbench.toolbox.class_rows import class_rows, straight_through_rows
from marlbench.toolbox.networks import initialise


def latent_log_probs(logits: Tensor, categoricals: int, unimix: float) -> Tensor:
    """Log-probabilities (..., K, C) from flat logits (..., K*C), mixed with the uniform."""
    logits = logits.unflatten(-1, (categoricals, -1))  # (..., K, C)
    if not unimix:
        return logits.log_softmax(-1)
    return ((1 - unimix) * logits.softmax(-1) + unimix / logits.shape[-1]).log()


def sample_classes(probs: Tensor, uniform: Tensor | None) -> Tensor:
    """Class indices (..., K) of probs (..., K, C), inverted at uniform numbers (..., K) in [0, 1).

    One uniform per categorical instead of C Gumbel draws, no sync, and the same draw for the
    same numbers whatever else is in the batch. Without numbers: the likeliest classes.
    """
    if uniform is None:
        return probs.argmax(-1)
    cumulative = probs.detach().cumsum(-1)  # (..., K, C)
    below = cumulative <= (uniform * cumulative[..., -1]).unsqueeze(-1)
    return below.sum(-1).clamp_(max=probs.shape[-1] - 1)


def latent_kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) in nats (...), summed over all K categoricals, from (..., K, C) each."""
    return (log_p.exp() * (log_p - log_q)).sum((-2, -1))


def balanced_kl(posterior: Tensor, prior: Tensor, free_nats: float) -> tuple[Tensor, Tensor]:
    """Dynamics and representation terms (...) of two log-probabilities (..., K, C).

    The first trains the prior towards a fixed posterior, the second the posterior towards a
    fixed prior; each is clipped from below at `free_nats` *after* the sum over categoricals,
    so that a latent state within the free nats gets no gradient.
    """
    dynamics = latent_kl(posterior.detach(), prior).clamp(min=free_nats)
    representation = latent_kl(posterior, prior.detach()).clamp(min=free_nats)
    return dynamics, representation


class LatentLinear(nn.Module):
    """A linear layer that reads a latent state given as class indices: a sum of K rows."""

    def __init__(self, categoricals: int, classes: int, features: int) -> None:
        super().__init__()
        dense = initialise(nn.Linear(categoricals * classes, features, bias=False))
        self.weight = nn.Parameter(dense.weight.detach().t().contiguous())  # (K*C, D)

    def forward(self, classes: Tensor, probs: Tensor | None = None) -> Tensor:
        """Features (..., D) of class indices (..., K), straight through to probs (..., K, C)."""
        if probs is None:
            return class_rows(classes, self.weight)
        return straight_through_rows(classes, probs, self.weight)
