"""Ways to mix the agents' values into a joint one: monotonic (QMIX), a sum (VDN), none (IQL).

Every mixer takes utilities (N, A) and states (N, S) and gives joint values (N, 1), but for
`NoMixer`, which leaves each agent its own, (N, A).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from marlbench.toolbox.linear import Perceptron, linear

__all__ = ["MonotonicMixer", "NoMixer", "SumMixer"]


class NoMixer(nn.Module):
    """Each agent's value is its own: independent Q-learning."""

    def forward(self, utilities: Tensor, state: Tensor | None) -> Tensor:
        """Give utilities (N, A) as they are."""
        return utilities


class SumMixer(nn.Module):
    """The joint value is the sum [Sunehag et al. 2017, arXiv:1706.05296v1, Eq. 1]."""

    def forward(self, utilities: Tensor, state: Tensor | None) -> Tensor:
        """Give the sum (N, 1) of utilities (N, A)."""
        return utilities.sum(-1, keepdim=True)


class MonotonicMixer(nn.Module):
    """A network whose weights the state decides and whose output rises in every utility.

    `Q_tot = |w_2(s)| . elu(Q |W_1(s)| + b_1(s)) + b_2(s)`
    [Rashid et al. 2018, arXiv:1803.11485v2, section 4, Eq. 5].

    The weights are made by two layers rather than the paper's one [code: nmix.py@8ccac7c].
    """

    def __init__(self, num_agents: int, state_features: int, embed: int, hyper: int) -> None:
        """Build for states of that many features; `embed` mixes, `hyper` makes the weights."""
        super().__init__()
        self.shape = (num_agents, embed)
        self.hyper_w1 = Perceptron(state_features, hyper, num_agents * embed)
        self.hyper_b1 = nn.Linear(state_features, embed)
        self.hyper_w2 = Perceptron(state_features, hyper, embed)
        self.hyper_b2 = Perceptron(state_features, embed, 1)

    def forward(self, utilities: Tensor, state: Tensor | None) -> Tensor:
        """Give the joint value (N, 1) of utilities (N, A) in states (N, S)."""
        assert state is not None
        w1 = self.hyper_w1(state).abs().view(-1, *self.shape)  # (N, A, D)
        b1 = linear(state, self.hyper_b1.weight, self.hyper_b1.bias)  # (N, D)
        w2 = self.hyper_w2(state).abs()  # (N, D)
        mixed = (utilities.unsqueeze(-1) * w1).sum(1) + b1  # (N, D)
        hidden = functional.elu(mixed)  # (N, D)
        return (hidden * w2).sum(-1, keepdim=True) + self.hyper_b2(state)  # (N, 1)
