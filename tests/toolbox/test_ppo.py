"""PPO's losses against their definitions; every row is learnt from once a pass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from marlbench.toolbox.ppo import PPOBatch, clipped_huber, equal_parts, minibatches, ppo_clip


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


def drawn_from(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [20, 45, 50, 9])
def test_minibatches_pass_over_every_row_in_an_order_of_its_own(size: int) -> None:
    found = list(minibatches(45, 3, size, drawn_from(0)))
    whole, rest = divmod(45, size)
    assert [len(index) for index in found] == ([size] * whole + [rest] * (rest > 0)) * 3
    passes = torch.cat(found).view(3, 45)
    assert torch.equal(passes.sort(-1).values, torch.arange(45).expand(3, -1))
    assert len(passes.unique(dim=0)) == 3
    again = list(minibatches(45, 3, size, drawn_from(0)))
    assert all(torch.equal(*pair) for pair in zip(found, again, strict=True))


def test_equal_parts_are_of_one_size_and_leave_out_what_does_not_divide() -> None:
    parts = [p for p in equal_parts(14, 4, drawn_from(1)) if isinstance(p, Tensor)]
    assert [len(part) for part in parts] == [3, 3, 3, 3]
    chosen = torch.cat(parts)
    assert len(chosen.unique()) == 12
    assert not torch.equal(chosen, chosen.sort().values)


def test_one_part_is_all_rows_in_their_own_order_and_draws_nothing() -> None:
    generator = drawn_from(2)
    (part,) = equal_parts(5, 1, generator)
    assert torch.arange(5)[part].tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(generator.get_state(), drawn_from(2).get_state())


@pytest.mark.parametrize("weighted", [False, True])
def test_a_batch_keeps_its_fields_side_by_side(weighted: bool) -> None:
    names = ["h", "z", "avail", "action", "log_prob", "advantage", "target"]
    names += ["weight"] if weighted else []
    number = torch.arange(6).view(3, 2)  # rollouts (H, R)
    batch = PPOBatch.flattened(**{name: number + 10 * k for k, name in enumerate(names)})
    assert len(batch) == 6
    some = batch.rows(torch.tensor([4, 1]))
    assert [getattr(some, name).tolist() for name in names] == [
        [4 + 10 * k, 1 + 10 * k] for k in range(len(names))
    ]
    assert (some.weight is None) != weighted
