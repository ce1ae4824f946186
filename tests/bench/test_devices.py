"""Learners compare on two devices; a CPU beside itself is the pair that is always at hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from marlbench.bench import devices
from marlbench.bench.devices import DrawnOnCpu
from marlbench.host import load_catalogue

CATALOGUE = load_catalogue()


@pytest.mark.parametrize("name", ["dmawm", "mbvd"])
def test_a_device_that_computes_the_same_differs_in_nothing(name: str) -> None:
    """So the numbers that are drawn for it are those of the other's generator."""
    found = devices.compare(CATALOGUE.algorithms[name], "cpu")
    assert (found.metrics, found.weights, found.actions) == (0, 0, 0)


@pytest.mark.parametrize("name", ["dmawm", "qmix"])
def test_a_device_that_computes_something_else_is_found_out(name: str) -> None:
    """All that it sees is a hundredth smaller to it."""
    algorithm = CATALOGUE.algorithms[name]
    built = iter(range(100))

    def build(config: Any, spec: Any, seed: int, device: str) -> Any:
        agent = algorithm.build(config, spec, seed, device)
        if next(built) == 1 + devices.TIMES:  # behind the learner and those that are nudged
            observe = agent.observe

            def off(step: Any, actions: Any) -> None:
                observe(replace(step, obs=0.99 * step.obs), actions)

            setattr(agent, "observe", off)  # noqa: B010 - mypy takes it for a method of all
        return agent

    assert not devices.compare(replace(algorithm, build=build), "cpu").allowed()


def test_draws_are_the_cpus_of_the_same_seed() -> None:
    weights = torch.tensor([0.2, 0.3, 0.5])

    def drawn(generator: torch.Generator) -> list[torch.Tensor]:
        made = torch.zeros(4)
        return [
            torch.rand(3, generator=generator, device=generator.device),
            made.exponential_(generator=generator),
            made,
            weights.multinomial(2, generator=generator),
            torch.randperm(5, generator=generator, device=generator.device),
        ]

    own, others = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    expected = drawn(own)
    with DrawnOnCpu():
        found = drawn(others)
    for ours, theirs in zip(expected, found, strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(
        others.get_state(), torch.Generator().manual_seed(5).get_state()
    )  # untouched
