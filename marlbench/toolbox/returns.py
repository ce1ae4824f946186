"""Returns and advantages over time-major sequences, as pure functions."""

import torch
from torch import Tensor


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
