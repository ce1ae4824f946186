"""Does a learner learn and act on a device as it does on a CPU? From made-up battles, side by side.

`python -m marlbench.bench.devices DEVICE NAME...` prints a line for each learner as it goes and
ends with 1 if any differs by more than is allowed.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
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


@dataclass(frozen=True)
class Difference:
    """How far two devices are apart after an update."""

    metrics: float
    """The largest `|a - b| / (1 + |a|)` of what the update gives."""
    weights: float
    """How far weights are apart, as a part of how far the update moved them (Euclidean)."""
    actions: float
    """Share of actions that differ once both have the same weights: drawn, then the likeliest."""

    def allowed(self) -> bool:
        """Say whether rounding explains it: see `MOST`."""
        return all(getattr(self, name) <= most for name, most in MOST.items())


MOST = {"metrics": 1e-2, "weights": 0.1, "actions": 0.01}


def compare(algorithm: Algorithm, device: str) -> Difference:
    """Let a learner make the same update here and there; raises what either raises.

    Both see the same play and draw the same numbers: those of the device are drawn on the CPU.
    """
    subject = Subject.of(algorithm, None)
    trial = subject.trial(SIZES, num_envs=COPIES)
    config = subject.config(COPIES)
    before = weights_of(trial.agent)
    with DrawnOnCpu():
        other = algorithm.build(config, trial.env.spec, 1, device)
        metrics, others = updated(trial, other)
    metric = max(abs(value - others[name]) / (1 + abs(value)) for name, value in metrics.items())
    ours, theirs = weights_of(trial.agent), weights_of(other)
    weight = float((ours - theirs).norm() / (ours - before).norm())
    other.load(copy.deepcopy(trial.agent.state()))
    return Difference(metric, weight, apart(trial.agent, other))


def updated(trial: Trial, other: Agent) -> tuple[dict[str, float], dict[str, float]]:
    """Play until an update learns, the other learner looking on; give the metrics of both."""
    while True:
        step = trial.step
        other.observe(step, trial.move())
        metrics, others = trial.agent.update(), other.update()
        if metrics is not None:
            assert others is not None, "both are due at once"
            return metrics, others


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


def weights_of(agent: Agent) -> Tensor:
    """Give all floating numbers of a learner's networks, as one vector on the CPU.

    What an optimiser or a generator holds is not among them.
    """
    found = [
        value.detach().double().cpu().flatten()
        for name, value in leaves(agent.state())
        if isinstance(value, Tensor) and value.is_floating_point() and "optimiser" not in name
    ]
    return torch.cat(found)


def leaves(state: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Give what a nested state holds, by path."""
    if isinstance(state, Mapping):
        for key, value in state.items():
            yield from leaves(value, f"{name}.{key}")
    else:
        yield name, state


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
    allowed = ", ".join(f"{name} {most:g}" for name, most in MOST.items())
    print(f"at most {allowed}", flush=True)
    for name in names or catalogue.algorithms:
        found = compare(catalogue.algorithm(name), device)
        wrong += not found.allowed()
        said = "" if found.allowed() else "  DIFFERS"
        figures = "  ".join(f"{key} {value:.1e}" for key, value in vars(found).items())
        print(f"{name:<8} {figures}{said}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
