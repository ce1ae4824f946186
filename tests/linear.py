"""A small real learner, for tests of whole runs: linear, with replay and torch weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from marlbench.plugin import Agent, Algorithm, AlgorithmConfig, EnvSpec, ReplayBuffer, Step

Trace = NDArray[np.float32]
"""(E, A, O): what acting carries, a decaying sum of what was seen."""


class Config(AlgorithmConfig):
    """Settings of the linear learner."""

    num_envs: int = 3
    """Copies [ours]."""
    rate: float = 0.05
    """Learning rate [ours]."""
    capacity: int = 64
    """Rows of the replay [ours]."""
    batch: int = 16
    """Rows of a minibatch [ours]."""


class Linear:
    """Q = W [obs, trace of obs], W shared by the agents, trained on replayed rows."""

    def __init__(self, config: Config, spec: EnvSpec, seed: int, device: str) -> None:
        """Begin with random weights and an empty replay."""
        self.config, self.spec, self.seed = config, spec, seed
        self.generator = torch.Generator().manual_seed(seed)
        self.draws = np.random.default_rng(seed)
        size = int(np.prod(spec.obs_shape))
        self.weights = torch.randn(
            (spec.num_actions, 2 * size), generator=self.generator, device=device
        ).requires_grad_()
        self.optimiser = torch.optim.Adam([self.weights], lr=config.rate)
        rows = config.capacity
        self.replay: dict[str, NDArray[Any]] = {
            "features": np.zeros((rows, spec.num_agents, 2 * size), dtype=np.float32),
            "actions": np.zeros((rows, spec.num_agents), dtype=np.int64),
            "reward": np.zeros((rows, spec.num_agents), dtype=np.float32),
        }
        self.written = 0
        self.pending: tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None = None
        self.trace = np.zeros((config.num_envs, spec.num_agents, size), dtype=np.float32)

    def start(self, num_envs: int) -> Trace:
        """Begin with empty traces."""
        size = int(np.prod(self.spec.obs_shape))
        return np.zeros((num_envs, self.spec.num_agents, size), dtype=np.float32)

    def act(
        self, step: Step, policy_state: Trace, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[np.int64], Trace]:
        """Take the best action, sometimes another."""
        features, trace = features_of(step, policy_state)
        with torch.no_grad():
            q = torch.einsum("eaf,uf->eau", torch.from_numpy(features), self.weights)  # (E, A, U)
        worth = np.where(step.avail, q.numpy(), -np.inf)
        if explore:
            worth = np.where(
                rng.random(step.avail.shape[:2])[..., None] < 0.2,
                np.where(step.avail, rng.random(step.avail.shape), -np.inf),
                worth,
            )
        return worth.argmax(-1), trace

    def observe(self, step: Step, actions: NDArray[np.int64]) -> None:
        """Put into the replay what the actions before earned."""
        if self.pending is not None:
            features, chosen, real = self.pending
            for copy in np.flatnonzero(real):
                self._add(features[copy], chosen[copy], step.reward[copy])
        features, self.trace = features_of(step, self.trace)
        self.pending = (features, actions, ~step.last)

    def _add(self, features: Any, actions: Any, reward: Any) -> None:
        row = self.written % self.config.capacity
        for name, value in (("features", features), ("actions", actions), ("reward", reward)):
            self.replay[name][row] = value
        self.written += 1

    def update(self) -> dict[str, float] | None:
        """Regress Q onto the reward."""
        if self.written < self.config.batch:
            return None
        rows = self.draws.integers(min(self.written, self.config.capacity), size=self.config.batch)
        features, actions, reward = (torch.from_numpy(a[rows]) for a in self.replay.values())
        q = torch.einsum("baf,uf->bau", features, self.weights)
        noise = 0.01 * torch.randn(reward.shape, generator=self.generator)
        loss = (q.gather(-1, actions[..., None]).squeeze(-1) - reward - noise).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss": float(loss.detach())}

    def state(self) -> dict[str, Any]:
        """Give all of it."""
        return {
            "weights": self.weights.detach(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "draws": self.draws.bit_generator.state,
            "replay": ReplayBuffer(self.replay, self.written),
            "pending": self.pending,
            "trace": self.trace,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take all of it."""
        with torch.no_grad():
            self.weights.copy_(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.draws.bit_generator.state = state["draws"]
        self.replay = {name: array.copy() for name, array in state["replay"].arrays.items()}
        self.written = state["replay"].written
        self.pending, self.trace = state["pending"], state["trace"]


def features_of(step: Step, trace: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Observations beside their trace, which is empty on a first step."""
    obs = step.obs.reshape(*trace.shape).astype(np.float32)
    trace = np.where(step.first[:, None, None], 0.0, 0.9 * trace + obs).astype(np.float32)
    return np.concatenate([obs, trace], -1), trace


def build(config: Config, spec: EnvSpec, seed: int, device: str) -> Agent:
    """Build the learner."""
    return Linear(config, spec, seed, device)


algorithm = Algorithm("linear", Config, build, execution="decentralised")
