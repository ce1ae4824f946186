"""Normalisers against their definitions, in double precision (tolerance: its default, 1e-7)."""

import numpy as np
import torch

from marlbench.toolbox.normalise import ValueNorm, standardise


def test_moments_are_those_of_the_data_weighted_by_age() -> None:
    beta, batches = 0.5, torch.randn(6, 100, dtype=torch.double) * 3 + 2
    norm = ValueNorm(beta).double()
    for batch in batches:
        norm.update(batch)
    weights = beta ** np.arange(6)[::-1]
    weights /= weights.sum()
    mean = sum(w * batch.mean() for w, batch in zip(weights, batches, strict=True))
    square = sum(w * batch.square().mean() for w, batch in zip(weights, batches, strict=True))
    found_mean, found_std = norm.moments()
    torch.testing.assert_close(found_mean, mean)
    torch.testing.assert_close(found_std, (square - mean**2).sqrt())


def test_one_batch_is_enough_to_remove_the_bias_of_the_start() -> None:
    norm, batch = ValueNorm(0.99999).double(), torch.tensor([1.0, 5.0], dtype=torch.double)
    norm.update(batch)
    torch.testing.assert_close(norm.normalise(batch), torch.tensor([-1.0, 1.0]).double())


def test_denormalise_undoes_normalise() -> None:
    norm, x = ValueNorm().double(), torch.randn(50, dtype=torch.double) * 7 - 3
    norm.update(x[:20])
    torch.testing.assert_close(norm.denormalise(norm.normalise(x)), x)


def test_constant_targets_do_not_blow_up() -> None:
    norm = ValueNorm()
    norm.update(torch.full((9,), 4.0))
    assert norm.moments()[1] == torch.tensor(0.1)  # the floor of the variance is 0.01
    assert torch.isfinite(norm.normalise(torch.tensor(4.5)))


def test_the_state_is_saved() -> None:
    norm, other = ValueNorm(), ValueNorm()
    norm.update(torch.tensor([1.0, 2.0]))
    other.load_state_dict(norm.state_dict())
    assert torch.equal(torch.stack(other.moments()), torch.stack(norm.moments()))


def test_standardise_uses_the_population_moments_of_the_mask() -> None:
    x, mask = torch.randn(40, dtype=torch.double), torch.rand(40) < 0.5
    expected = (x - x[mask].mean()) / (x[mask].std(correction=0) + 1e-5)
    torch.testing.assert_close(standardise(x, mask), expected)
