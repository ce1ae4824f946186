"""The clipped surrogate in all four quadrants."""

import torch

from marlbench.toolbox.policy_losses import ppo_clip


def test_ratio_is_clipped_only_where_that_is_pessimistic() -> None:
    ratio = torch.tensor([0.5, 0.5, 1.5, 1.5])
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0])
    loss = ppo_clip(ratio.log(), torch.zeros(4), advantage, clip=0.2)
    torch.testing.assert_close(loss, torch.tensor([-0.5, 0.8, -1.2, 1.5]))


def test_clipped_decisions_get_no_gradient() -> None:
    new = torch.tensor([0.5, 1.5]).log().requires_grad_()
    (gradient,) = torch.autograd.grad(
        ppo_clip(new, torch.zeros(2), torch.tensor([-1.0, 1.0]), clip=0.2).sum(), new
    )
    assert gradient.eq(0).all()
