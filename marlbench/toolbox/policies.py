"""Discrete policies over available actions: masked log-probabilities, sampling, entropy."""

import numpy as np
import torch
from torch import Tensor

UNAVAILABLE = -1e9
"""Logit of an unavailable action: its probability is exactly 0, its products are not nan."""


def masked_log_probs(logits: Tensor, avail: Tensor, unimix: float = 0.0) -> Tensor:
    """Log-probabilities (..., U) of a policy that never takes an unavailable action.

    `unimix` mixes in that share of the uniform policy over the available actions.

    >>> logits, avail = torch.zeros(3), torch.tensor([True, False, True])
    >>> masked_log_probs(logits, avail).exp()
    tensor([0.5000, 0.0000, 0.5000])
    """
    log_probs = logits.masked_fill(~avail, UNAVAILABLE).log_softmax(-1)
    if not unimix:
        return log_probs
    uniform = avail / avail.sum(-1, keepdim=True)
    mixed = (1 - unimix) * log_probs.exp() + unimix * uniform
    return mixed.masked_fill(~avail, 1.0).log().masked_fill(~avail, UNAVAILABLE)


def gumbel_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    """Standard Gumbel noise of a numpy generator: added to log-probabilities, argmax samples."""
    return torch.from_numpy(rng.gumbel(size=shape).astype(np.float32))


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise from an owned generator, on its device."""
    return -torch.empty(shape, device=generator.device).exponential_(generator=generator).log()


def sample(log_probs: Tensor, noise: Tensor) -> Tensor:
    """Draw actions (...) from log-probabilities (..., U) by Gumbel noise of the same shape."""
    return (log_probs + noise).argmax(-1)


def log_prob(log_probs: Tensor, actions: Tensor) -> Tensor:
    """Log-probabilities (...) of the actions (...) taken, from log-probabilities (..., U)."""
    return log_probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def entropy(log_probs: Tensor) -> Tensor:
    """Entropy (...) in nats of log-probabilities (..., U)."""
    return -(log_probs.exp() * log_probs).sum(-1)
