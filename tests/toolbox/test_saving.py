"""A generator goes on where it stood, and somewhere that is decided on another device."""

from __future__ import annotations

import torch

from marlbench.toolbox.saving import restore_generator, saved_generator


def draws(generator: torch.Generator) -> list[float]:
    return torch.rand(4, generator=generator).tolist()


def test_the_same_device_goes_on_with_the_same_draws() -> None:
    first, second = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    draws(first)
    restore_generator(second, saved_generator(first), seed=5)
    assert draws(second) == draws(first)


def test_another_device_goes_on_with_draws_that_seed_and_place_decide() -> None:
    def moved(place: int, seed: int) -> list[float]:
        generator = torch.Generator().manual_seed(9)
        # a CUDA generator's state: 16 bytes, seed and offset
        restore_generator(generator, ("cuda", torch.full((16,), place, dtype=torch.uint8)), seed)
        return draws(generator)

    assert moved(3, 5) == moved(3, 5)
    assert len({tuple(moved(*where)) for where in ((3, 5), (4, 5), (3, 6))}) == 3
