"""A learner goes on from its parts' state; generators may go on on another device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from marlbench.plugin import ReplayBuffer
from marlbench.testing.sameness import difference, through_disk
from marlbench.toolbox.saving import (
    Attributes,
    Part,
    restore,
    restore_generator,
    saved_generator,
    seeded,
    state_of,
)


class Small:
    """A learner of a line: one weight matrix, its optimiser, and noise of two kinds."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        with seeded(seed):
            self.network = nn.Linear(3, 2)
        self.optimiser = torch.optim.Adam(self.network.parameters(), 0.1)
        self.generator = torch.Generator().manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.updates, self.carried = 0, torch.zeros(2)

    def parts(self) -> dict[str, Part]:
        """What a checkpoint holds."""
        names = ("network", "optimiser", "generator", "rng")
        own = Attributes(self, "updates", "carried")
        return {**{name: getattr(self, name) for name in names}, "own": own}

    def learn(self) -> float:
        """A step that every part has a share in."""
        x = torch.rand(4, 3, generator=self.generator) + float(self.rng.random())
        loss = (self.network(x) + self.carried).square().sum()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.updates += 1
        self.carried = self.carried + self.updates
        return float(loss.detach())


def test_a_learner_goes_on_as_if_it_had_not_been_saved() -> None:
    first = Small(0)
    for _ in range(3):
        first.learn()
    second = Small(7)
    restore(second.parts(), through_disk(state_of(first.parts())), first.seed)
    assert [second.learn() for _ in range(3)] == [first.learn() for _ in range(3)]
    assert (second.updates, second.carried.tolist()) == (6, [21.0, 21.0])


def test_what_was_saved_does_not_change_as_the_learner_goes_on() -> None:
    learner = Small(0)
    learner.learn()
    saved = state_of(learner.parts())
    before = through_disk(saved)
    learner.learn()
    assert difference(before, saved) is None


def test_a_loaded_learner_shares_nothing_with_the_one_that_was_saved() -> None:
    first, second = Small(0), Small(7)
    first.learn()
    restore(second.parts(), state_of(first.parts()), 0)
    before = through_disk(state_of(first.parts()))
    second.learn()
    assert difference(before, state_of(first.parts())) is None


def test_other_parts_are_refused_by_name() -> None:
    learner = Small(0)
    state = state_of(learner.parts())
    state["mixer"] = state.pop("own")
    with pytest.raises(ValueError, match=r"'mixer'.* and this learner .*'own'.*run anew"):
        restore(learner.parts(), state, 0)


def test_a_replay_is_not_copied() -> None:
    class Ring:
        array = np.zeros(1000)

        def state_dict(self) -> ReplayBuffer:
            return ReplayBuffer({"x": self.array}, 0)

        def load_state_dict(self, state: ReplayBuffer, /) -> None:
            raise AssertionError

    assert state_of({"replay": Ring()})["replay"].arrays["x"] is Ring.array


def test_the_seed_alone_decides_what_is_drawn_and_nobody_elses_draws_move() -> None:
    everyones = torch.get_rng_state()
    with seeded(3):
        first = torch.rand(2)
    assert torch.equal(torch.get_rng_state(), everyones)
    torch.rand(5)
    with seeded(3):
        assert torch.equal(torch.rand(2), first)


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
