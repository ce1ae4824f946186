"""PPO's losses against their definitions."""

from __future__ import annotations

import torch

from marlbench.toolbox.ppo import clipped_huber, ppo_clip


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


def test_the_loss_is_the_worse_of_the_two_errors_in_every_region() -> None:
    clip, delta = 0.2, 1.0

    def huber(error: float) -> float:
        error = abs(error)
        return error**2 / 2 if error <= delta else delta * (error - delta / 2)

    for old in (-0.5, 0.0):
        for value in (-0.6, -0.1, 0.1, 0.9):
            for target in (-3.0, -0.3, 0.0, 0.3, 3.0):
                near = min(max(value, old - clip), old + clip)
                expected = max(huber(target - value), huber(target - near))
                new, known, aim = torch.tensor([value, old, target], dtype=torch.double)
                ours = clipped_huber(new, known, aim, clip, delta)
                assert abs(ours.item() - expected) < 1e-12  # float64 rounding


def test_one_value_may_serve_several_targets() -> None:
    value, target = torch.zeros(4, 1, requires_grad=True), torch.ones(4, 3)
    loss = clipped_huber(value, value.detach(), target, 0.2, 10.0)
    assert loss.shape == (4, 3)
    loss.sum().backward()
    assert value.grad is not None
    assert torch.equal(value.grad, torch.full((4, 1), -3.0))
