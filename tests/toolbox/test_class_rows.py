"""Sums of rows against dense products with one-hot vectors."""

import pytest
import torch
import torch.nn.functional as F

from marlbench.toolbox import class_rows as module
from marlbench.toolbox.class_rows import class_rows, straight_through_rows


@pytest.mark.parametrize("classes", [5, 300])
def test_it_is_the_product_with_one_hots_and_so_are_its_gradients(classes: int) -> None:
    """In double precision, where the order of a sum does not show (tolerance: torch's 1e-7).

    300 classes do not fit a byte, for which the gradient takes the dense way.
    """
    torch.manual_seed(0)
    drawn = torch.randint(classes, (4, 7, 3))
    weight = torch.randn(3 * classes, 6, dtype=torch.double, requires_grad=True)
    logits = torch.randn(4, 7, 3, classes, dtype=torch.double, requires_grad=True)
    up = torch.randn(4, 7, 6, dtype=torch.double)
    probs = logits.softmax(-1)
    onehot = F.one_hot(drawn, classes) + probs - probs.detach()
    dense = onehot.flatten(-2) @ weight
    expected = torch.autograd.grad(dense, [weight, logits], up, retain_graph=True)
    ours = straight_through_rows(drawn, probs, weight)
    torch.testing.assert_close(ours, dense)
    torch.testing.assert_close(torch.autograd.grad(ours, [weight, logits], up), expected)
    plain = class_rows(drawn, weight)
    torch.testing.assert_close(plain, dense)
    torch.testing.assert_close(torch.autograd.grad(plain, weight, up), expected[:1])


def test_classes_may_be_bytes() -> None:
    drawn = torch.randint(256, (9, 2), dtype=torch.uint8)
    weight = torch.randn(512, 3)
    assert torch.equal(class_rows(drawn, weight), class_rows(drawn.long(), weight))


def test_classes_that_none_has_get_no_gradient() -> None:
    grad = module.gathered(torch.ones(2, 3), torch.tensor([[1], [1]]), rows=4)
    assert grad.tolist() == [[0.0] * 3, [2.0] * 3, [0.0] * 3, [0.0] * 3]
