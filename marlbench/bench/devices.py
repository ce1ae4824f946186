"""Does a learner learn and act on a device as it does on a CPU? From made-up battles, side by side.

`python -m marlbench.bench.devices DEVICE NAME...` prints a line for each learner as it goes and
ends with 1 if any differs by more than is allowed.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from marlbench.host import load_catalogue
from marlbench.plugin import Agent, Algorithm
from marlbench.testing.synthetic import Sizes
from marlbench.testing.trial import Subject, Trial, episode

__all__ = ["Difference", "DrawnOnCpu", "compare"]

SIZES = Sizes(agents=5, actions=11, obs_shape=(92,), state=130, limit=30)
COPIES = 4


NUDGE, TIMES = 1e-6, 3
"""So many parts of a weight, some roundings, that it is moved by on the CPU, and how often."""
FACTOR, METRICS, WEIGHTS, ACTIONS = 10.0, 1e-4, 1e-3, 0.01
"""A device may be `FACTOR` times as far off as the farthest nudged learner, and this much more."""


@dataclass(frozen=True)
class Difference:
    """How far a device is from the CPU after an update; 1 is as far as is allowed."""

    metrics: float
    """Of the metric that is farthest off, by `|a - b| / (1 + |a|)`."""
    worst: str
    """Its name."""
    weights: float
    """Of weights, by how far apart they are as a part of how far the update moved them."""
    actions: float
    """Of actions of the same weights, drawn and likeliest ones: 1 is one in a hundred."""

    def allowed(self) -> bool:
        """Say whether rounding explains it."""
        return max(self.metrics, self.weights, self.actions) <= 1.0


def compare(algorithm: Algorithm, device: str) -> Difference:
    """Let a learner make the same update on the CPU and on a device.

    All see the same play and draw the same numbers, those of the device on the CPU. How far
    rounding alone may lead is measured: others on the CPU begin with weights that are nudged.
    """
    subject = Subject.of(algorithm, None)
    trial = subject.trial(SIZES, num_envs=COPIES)
    config, spec = subject.config(COPIES), trial.env.spec
    before = weights_of(trial.agent)
    nudged = [algorithm.build(config, spec, 1, "cpu") for _ in range(TIMES)]
    for number, agent in enumerate(nudged):
        nudge(agent, number)
    with DrawnOnCpu():
        other = algorithm.build(config, spec, 1, device)
        ours, theirs, *explained = updated(trial, [other, *nudged])
    shares = {}
    for name, value in ours.items():
        off = [abs(value - found[name]) / (1 + abs(value)) for found in (theirs, *explained)]
        shares[name] = off[0] / (FACTOR * max(off[1:]) + METRICS)
    after = weights_of(trial.agent)
    moved = [distance(weights_of(agent), after) for agent in (other, *nudged)]
    weight = moved[0] / (FACTOR * max(moved[1:]) + WEIGHTS * distance(before, after))
    other.load(trial.agent.state())
    worst = max(shares, key=lambda name: shares[name])
    return Difference(shares[worst], worst, weight, apart(trial.agent, other) / ACTIONS)


def nudge(agent: Agent, seed: int) -> None:
    """Multiply every weight by `1 + NUDGE n`, n being standard normal."""
    state, generator = agent.state(), torch.Generator().manual_seed(seed)
    for _, weight in weights_in(state):
        weight.mul_(1 + NUDGE * torch.randn(weight.shape, generator=generator))
    agent.load(state)


def updated(trial: Trial, others: Sequence[Agent]) -> list[dict[str, float]]:
    """Play until an update learns, other learners looking on; give the metrics of all."""
    while True:
        step = trial.step
        actions = trial.move()
        for other in others:
            other.observe(step, actions)
        found = [agent.update() for agent in (trial.agent, *others)]
        learnt = [metrics for metrics in found if metrics is not None]
        if learnt:
            assert len(learnt) == len(found), "all are due at once"
            return learnt


def apart(ours: Agent, theirs: Agent) -> float:
    """Give the share of actions that differ, over an episode in each copy."""
    steps = episode(SIZES, COPIES, seed=3)
    different = []
    for explore in (True, False):
        states = [agent.start(COPIES) for agent in (ours, theirs)]
        for time, step in enumerate(steps):
            found = []
            for i, agent in enumerate((ours, theirs)):
                rng = np.random.default_rng(time)
                actions, states[i] = agent.act(step, states[i], rng, explore)
                found.append(actions)
            different.append(found[0] != found[1])
    return float(np.mean(different))


def distance(some: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> float:
    """Give the Euclidean distance of weights."""
    parts = [(some[name] - others[name]).square().sum() for name in some.keys() & others.keys()]
    return float(sum(parts)) ** 0.5


def weights_of(agent: Agent) -> dict[str, Tensor]:
    """Give a learner's weights by their place in its state, on the CPU."""
    return {name: weight.double().cpu() for name, weight in weights_in(agent.state())}


def weights_in(state: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Give the floating numbers of a nested state's networks, which torch keeps in order."""
    if isinstance(state, Mapping):
        for key, value in state.items():
            network = isinstance(state, OrderedDict) and isinstance(value, Tensor)
            if network and value.is_floating_point():
                yield f"{name}.{key}", value
            else:
                yield from weights_in(value, f"{name}.{key}")


class DrawnOnCpu(TorchFunctionMode):
    """Draws what a device's generator is asked for on the CPU, from the same seed, and moves it.

    Generators of devices give other numbers than a CPU's, and losses of other noise do not compare.
    """

    def __init__(self) -> None:
        super().__init__()
        self.twins: dict[int, tuple[torch.Generator, torch.Generator]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch; one with a generator draws from its twin."""
        named = dict(kwargs or {})
        generator = named.get("generator")
        if generator is None:
            return func(*args, **named)
        named["generator"] = self.twin(generator)
        if "device" in named:
            named["device"] = "cpu"
        here = [each.cpu() if isinstance(each, Tensor) else each for each in args]
        drawn = func(*here, **named)
        if func.__name__.endswith("_"):  # in place
            return args[0].copy_(drawn)
        return drawn.to(generator.device)

    def twin(self, generator: torch.Generator) -> torch.Generator:
        """Give the CPU's generator of the same seed, always the same for the same generator."""
        if id(generator) not in self.twins:
            made = torch.Generator().manual_seed(generator.initial_seed())
            self.twins[id(generator)] = generator, made  # kept, so that no other gets its id
        return self.twins[id(generator)][1]


def main(device: str, *names: str) -> int:
    """Compare learners, all if none is named."""
    torch.backends.cudnn.allow_tf32 = False
    catalogue, wrong = load_catalogue(), 0
    print("1 is as far as rounding may lead", flush=True)
    for name in names or catalogue.algorithms:
        found = compare(catalogue.algorithm(name), device)
        wrong += not found.allowed()
        figures = f"metrics {found.metrics:.2g} ({found.worst}), weights {found.weights:.2g}"
        said = "" if found.allowed() else ": DIFFERS"
        print(f"{name:<8} {figures}, actions {found.actions:.2g}{said}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
