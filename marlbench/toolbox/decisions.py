"""How a policy's outputs become actions of either kind: categorical, or Gaussian in a box.

A network gives U outputs for each agent. Where actions are discrete they are logits, and the policy
is categorical over the available actions. In a box they are the means of a Gaussian whose
deviations are learnt and do not depend on what is seen, a number each; the agent's own numbers
alone count, and what an unbounded Gaussian says beyond the box the host clips
[code: onpolicy/algorithms/utils/distributions.py@5c2d35a].

mu    mean, in units of the box       c, w  middle of the box and half its width
s     log of the deviation, learnt    m     1 for the numbers that are the agent's to say, else 0
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from marlbench.plugin import EnvSpec
from marlbench.toolbox import policies
from marlbench.toolbox.policies import gumbel, gumbel_noise, masked_log_probs

__all__ = ["Box", "Categorical", "Decision", "Discrete", "Gaussian", "Policy", "decision"]


class Policy(Protocol):
    """A distribution over the actions of agents (...), each of them (...) or (..., U)."""

    def sample(self, noise: Tensor) -> Tensor:
        """Draw actions (..., *) by noise (..., U) of the decision that this policy comes from."""
        ...

    def mode(self) -> Tensor:
        """Give the likeliest actions (..., *)."""
        ...

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probabilities (...) of the actions (..., *) taken."""
        ...

    def entropy(self) -> Tensor:
        """Entropy (...) in nats."""
        ...


@dataclass(frozen=True)
class Categorical:
    """A policy over discrete actions."""

    log_probs: Tensor
    """(..., U)."""

    def sample(self, noise: Tensor) -> Tensor:
        """Draw actions (...) by Gumbel noise (..., U)."""
        return policies.sample(self.log_probs, noise)

    def mode(self) -> Tensor:
        """Give the likeliest actions (...)."""
        return self.log_probs.argmax(-1)

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probabilities (...) of the actions (...) taken."""
        return policies.log_prob(self.log_probs, actions)

    def entropy(self) -> Tensor:
        """Entropy (...) in nats."""
        return policies.entropy(self.log_probs)


@dataclass(frozen=True)
class Gaussian:
    """A policy over numbers, independent of each other.

    >>> unit = Gaussian(torch.zeros(2), torch.zeros(2), torch.tensor([True, False]))
    >>> unit.log_prob(torch.tensor([1.0, 7.0]))  # -(1 + log 2 pi) / 2: one number alone counts
    tensor(-1.4189)
    >>> unit.sample(torch.tensor([3.0, 3.0]))
    tensor([3., 0.])
    """

    mean: Tensor
    """(..., U)."""
    log_std: Tensor
    """(U,)."""
    avail: Tensor
    """(..., U) bool: which numbers are the agent's to say; the others are 0 and count nothing."""

    def sample(self, noise: Tensor) -> Tensor:
        """Draw actions (..., U) by standard normal noise (..., U)."""
        return (self.mean + self.log_std.exp() * noise).where(self.avail, 0.0)

    def mode(self) -> Tensor:
        """Give the likeliest actions (..., U)."""
        return self.mean.where(self.avail, 0.0)

    def log_prob(self, actions: Tensor) -> Tensor:
        """`-sum_u m_u (((a - mu) / exp s)^2 / 2 + s + log(2 pi) / 2)` (...) of actions (..., U)."""
        away = (actions - self.mean) * (-self.log_std).exp()
        density = away.square() / 2 + self.log_std + math.log(2 * math.pi) / 2
        return -(density * self.avail).sum(-1)

    def entropy(self) -> Tensor:
        """`sum_u m_u (s + log(2 pi e) / 2)` (...) in nats."""
        return ((self.log_std + math.log(2 * math.pi * math.e) / 2) * self.avail).sum(-1)


class Discrete(nn.Module):
    """Turns logits into a categorical policy; it has nothing to learn."""

    must_choose = True
    """Whether an agent always has at least one action."""

    def forward(self, outputs: Tensor, avail: Tensor) -> Categorical:
        """Give the policy of logits (..., U) over the available actions (..., U)."""
        return Categorical(masked_log_probs(outputs, avail))

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
        """Noise (..., U) to sample by, of a numpy generator."""
        return gumbel_noise(rng, shape)

    def own_noise(self, generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
        """Noise (..., U) to sample by, of an owned generator, on its device."""
        return gumbel(shape, generator)


class Box(nn.Module):
    """Turns outputs into a Gaussian policy in a box; it learns the deviations.

    In the box [-1, 1], the usual one, outputs are means as they are and the deviation begins with
    1; other boxes are scaled to it. A number that lacks a bound is in units of 1 around 0.
    """

    must_choose = False
    """An agent may have no number to say."""
    middle: Tensor
    """(U,)."""
    reach: Tensor
    """(U,) half the width."""
    low: Tensor
    """(U,)."""
    high: Tensor
    """(U,)."""

    def __init__(self, bounds: tuple[tuple[float, float], ...]) -> None:
        super().__init__()
        low, high = torch.tensor(bounds).unbind(-1)  # (U,) each
        both = low.isfinite() & high.isfinite()
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("high", high, persistent=False)
        self.register_buffer("middle", ((low + high) / 2).where(both, 0.0), persistent=False)
        self.register_buffer("reach", ((high - low) / 2).where(both, 1.0), persistent=False)
        self.log_std = nn.Parameter(torch.zeros(len(bounds)))

    def forward(self, outputs: Tensor, avail: Tensor) -> Gaussian:
        """Give the policy of outputs (..., U) over the numbers to say (..., U)."""
        mean = self.middle + self.reach * outputs
        return Gaussian(mean, self.log_std + self.reach.log(), avail)

    def played(self, actions: Tensor) -> Tensor:
        """What an environment plays of actions (..., U): -1 stands for low, 1 for high."""
        return (actions.clamp(self.low, self.high) - self.middle) / self.reach

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
        """Noise (..., U) to sample by, of a numpy generator."""
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    def own_noise(self, generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
        """Noise (..., U) to sample by, of an owned generator, on its device."""
        return torch.randn(shape, generator=generator, device=generator.device)


Decision = Discrete | Box


def decision(spec: EnvSpec) -> Decision:
    """Give what turns U outputs into a policy, as the task's agents act."""
    return Discrete() if spec.actions == "discrete" else Box(spec.bounds)
