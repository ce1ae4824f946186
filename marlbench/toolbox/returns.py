"""Returns, advantages and targets over time-major sequences, as pure functions."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gae", "td_lambda_targets"]


def gae(reward: Tensor, discount: Tensor, value: Tensor, lambda_: float) -> Tensor:
    """Generalised advantage estimates [Schulman et al. 2016, arXiv:1506.02438v6, Eq. 16].

    `A_t = sum_k (prod_{j<k} lambda discount_{t+j}) delta_{t+k}` with
    `delta_t = reward_t + discount_t value_{t+1} - value_t`. `reward_t` and `discount_t` belong to
    the transition from t to t+1; `discount` holds gamma times the continuation, so that 0 ends an
    episode and gamma bootstraps a time-out.

    Args:
        reward: (T, ...).
        discount: (T, ...), gamma times continuation.
        value: (T+1, ...).
        lambda_: 0 gives one-step errors, 1 Monte-Carlo returns less the baseline.

    Returns:
        (T, ...) advantages; add `value[:-1]` for lambda-returns.

    >>> reward, discount = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.0])
    >>> gae(reward, discount, torch.tensor([10.0, 20.0, 30.0]), lambda_=0.5)
    tensor([ -3.5000, -18.0000])
    """
    delta = reward + discount * value[1:] - value[:-1]  # (T, ...)
    advantage = torch.zeros_like(delta[0])
    advantages = []
    for delta_t, decay_t in zip(
        delta.flip(0).unbind(0), (lambda_ * discount).flip(0).unbind(0), strict=True
    ):
        advantage = delta_t + decay_t * advantage
        advantages.append(advantage)
    return torch.stack(advantages[::-1])  # (T, ...)


def td_lambda_targets(
    reward: Tensor, discount: Tensor, next_value: Tensor, valid: Tensor, lambda_: float
) -> Tensor:
    """Targets G of TD(lambda) with bootstrap, time first [code: rl_utils.py@8ccac7c].

    `G_t = r_t + discount_t ((1 - lambda) V_{t+1} + lambda G_{t+1})`, where `G_{t+1}` is `V_{t+1}`
    if t is its episode's last step. `discount` is gamma, and 0 at a real end: that bootstraps
    nothing, a cut (a time limit, say) everything, whatever the other episodes' lengths. There is
    no correction for off-policy actions. It is the mixture of n-step returns
    `(1 - lambda) sum_n lambda^(n-1) G^(n)`, the longest one with all the weight that is left.

    reward, discount, next_value (V_{t+1}) and valid (t is a real step; padding comes after)
    broadcast to (T, B, ...); so does the result, 0 in the padding.

    >>> reward, next_value = torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])
    >>> yes = torch.tensor([True, True])
    >>> td_lambda_targets(reward, torch.tensor([0.5, 0.5]), next_value, yes, lambda_=0.5)
    tensor([ 6.5000, 12.0000])
    >>> td_lambda_targets(reward, torch.tensor([0.5, 0.0]), next_value, yes, lambda_=0.5)
    tensor([4., 2.])
    """
    if lambda_ == 0:
        return (reward + discount * next_value) * valid
    follows = torch.cat([valid[1:], torch.zeros_like(valid[:1])])  # a step comes after t
    targets = torch.zeros_like(next_value)
    ahead = next_value[-1]
    for t in reversed(range(len(next_value))):
        mixed = torch.lerp(next_value[t], ahead, lambda_)
        ahead = reward[t] + discount[t] * torch.where(follows[t], mixed, next_value[t])
        targets[t] = ahead
    return targets * valid
