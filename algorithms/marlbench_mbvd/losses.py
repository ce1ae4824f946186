"""What the latent model is trained by, each term a mean over rows and features.

L_RC        histories decoded of z against those it was encoded from    `error`
L_RC^prior  what came before, decoded of the prior's sample             `error`, `surprise`
L_KL        KL(q || p), each side with its own weight                   `balanced_kl`
L_KL^reg    KL(p || N(0, 1))                                            `kl_from_standard`
L_FA        which actions are available                                 `availability_error`

The letters are the MBVD paper's; the formulas are those of the public copy,
mbvd_learner.py@0cac5dd.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from marlbench.toolbox.episodes import Batch
from marlbench_mbvd.config import MbvdConfig
from marlbench_mbvd.latent_model import Gaussian, LatentModel

__all__ = ["Encoding", "Noise", "model_terms", "transitions"]

SAFE = 1e-8
"""Added to the prior's variance where the KL divides by it [code: mbvd_learner.py@0cac5dd]."""


class Noise(NamedTuple):
    """Standard normal numbers of an update."""

    posterior: Tensor
    """(N, J)."""
    prior: Tensor
    """(K, J), for the rows of `transitions`."""


class Encoding(NamedTuple):
    """What the latent model describes, and how."""

    history: Tensor
    """(N, A, D) recurrent states."""
    posterior: Gaussian
    """(N, J) their latent states."""


class Transitions(NamedTuple):
    """The K rows from which the prior learns a step."""

    row: Tensor
    """(K,) rows of the batch."""
    of_step: Tensor
    """(M,) where each real step is among them."""


def transitions(batch: Batch, past_end: bool) -> Transitions:
    """Give the rows from which the prior learns a step.

    As the copy's mask has it (`past_end`), that includes the last row of every episode but the
    batch's longest: the action chosen there leads into the padding.
    """
    device = batch.steps.device
    if not past_end:
        return Transitions(batch.steps, torch.arange(len(batch.steps), device=device))
    return Transitions(torch.arange(sum(batch.sizes[:-1]), device=device), batch.steps)


def model_terms(
    config: MbvdConfig, model: LatentModel, batch: Batch, encoding: Encoding, noise: Noise
) -> dict[str, Tensor]:
    """Give all terms, each of which has weight 1."""
    history, posterior = encoding
    rows, of_step = transitions(batch, config.past_end)
    latent = posterior.sample(noise.posterior)  # (N, J)
    before, action = latent[rows], batch.action[rows]  # (K, J), (K, A)
    beginning, prior = priors(model, before, action)
    after = prior.sample(noise.prior)  # (K, J)
    begun = (part.expand(batch.sizes[0], -1) for part in beginning)
    followed = (part[of_step] for part in prior)
    expected = Gaussian(*map(torch.cat, zip(begun, followed, strict=True)))  # (N, J)
    return {
        "history": error(model.histories(latent), history),
        "kl": balanced_kl(posterior, expected, config.kl_balance),
        "prior_kl": kl_from_standard(prior),
        "previous_latent": error(model.previous_latent(after), before.detach()),
        "previous_action": surprise(model.previous_action(after), action),
        "availability": availability_error(model.availability(latent), batch.avail),
    }


def priors(model: LatentModel, latent: Tensor, action: Tensor) -> tuple[Gaussian, Gaussian]:
    """Give p of an episode's first row (1, J), after nothing, and of what follows (K, J)."""
    nothing, none = torch.zeros_like(latent[:1]), torch.full_like(action[:1], model.none)
    prior = model.prior(torch.cat([nothing, latent]), torch.cat([none, action]))
    return Gaussian(*(part[:1] for part in prior)), Gaussian(*(part[1:] for part in prior))


def error(prediction: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error of two tensors of one shape [L_RC, L_RC^prior]."""
    return functional.mse_loss(prediction, truth)


def surprise(logits: Tensor, action: Tensor) -> Tensor:
    """Negative log-likelihood of actions (N, A), of (N, A, U), per action on offer [L_RC^prior].

    The mean is over rows, agents *and* the U actions, as in the copy, so a U-th of the usual one.
    """
    taken = logits.gather(-1, action[..., None]).squeeze(-1)  # (N, A)
    return (logits.logsumexp(-1) - taken).mean() / logits.shape[-1]


def kl(q: Gaussian, p: Gaussian) -> Tensor:
    """KL(q || p) in nats of every latent number (N, J).

    `(exp(v_q - v_p) + (m_q - m_p)^2 exp(-v_p) - 1 - v_q + v_p) / 2` for means m, log-variances v.
    """
    spread = q.log_variance.exp() + (q.mean - p.mean).square()
    ratio = spread / (p.log_variance.exp() + SAFE)
    return 0.5 * (ratio - 1 - q.log_variance + p.log_variance)


def balanced_kl(q: Gaussian, p: Gaussian, balance: float) -> Tensor:
    """`balance KL(sg(q) || p) + (1 - balance) KL(q || sg(p))`, mean over all (N, J) [L_KL].

    Both have one value, so the KL is computed once, and each side gets its share of the gradient.
    """
    return kl(share(q, 1 - balance), share(p, balance)).mean()


def share(distribution: Gaussian, weight: float) -> Gaussian:
    """Give the same distribution (..., J) with that share of the gradient: x lerped with itself."""
    return Gaussian(*(torch.lerp(part.detach(), part, weight) for part in distribution))


def kl_from_standard(p: Gaussian) -> Tensor:
    """KL(p || N(0, 1)) in nats, mean over all numbers (N, J) [L_KL^reg]."""
    return 0.5 * (p.log_variance.exp() + p.mean.square() - 1 - p.log_variance).mean()


def availability_error(log_odds: Tensor, available: Tensor) -> Tensor:
    """Binary cross-entropy of log-odds and truths (N, A, U), mean over all [L_FA]."""
    return functional.binary_cross_entropy_with_logits(log_odds, available.to(log_odds.dtype))
