"""What the model foresees under given actions: how the host judges it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from marlbench.imagination import Imagination
from marlbench.toolbox.latents import sample_classes
from marlbench_mamba.world_model import WorldModel

__all__ = ["divergence", "drawn", "foresee"]

LEAST = 1e-8
"""Below which a probability counts as this, so that its logarithm is a number."""


@torch.no_grad()
def foresee(
    model: WorldModel, h: Tensor, z: Tensor, actions: Tensor, rng: np.random.Generator
) -> Imagination:
    """Go on from h (B, A, D), z (B, A, K) under actions (H, B, A); z is drawn of the prior."""
    heads = model.heads.for_imagining()
    rows: list[tuple[Tensor, ...]] = []
    for action in actions:
        after = model.next(h, z, action)  # (B, A, D)
        reward, cont = heads.outcome(after, z)  # (B, A) each, of the action just taken
        h, z = after, sample_classes(model.foresee(after), drawn(rng, z.shape, h.device))
        seen, avail = model.as_seen(model.heads.obs(h, z)), heads.avail(h, z).sigmoid()
        rows.append((seen, reward, cont.mean(-1), avail))
    obs, rewards, conts, masks = (
        torch.stack(each).cpu().numpy() for each in zip(*rows, strict=True)
    )
    return Imagination(obs, rewards, conts, masks, kl=None)


def divergence(posterior: Tensor, prior: Tensor) -> Tensor:
    """KL in nats (...) of probabilities (..., K, C) each, summed over categoricals."""
    logs = (probs.clamp(min=LEAST).log() for probs in (posterior, prior))
    return (posterior * (next(logs) - next(logs))).sum((-2, -1))


def drawn(rng: np.random.Generator, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Uniform numbers of the host's generator."""
    return torch.from_numpy(rng.random(shape, dtype=np.float32)).to(device)
