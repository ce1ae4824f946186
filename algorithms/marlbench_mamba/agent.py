"""MAMBA: learn a world model of communicating agents from play, and the policy inside it.

After every episode: 60 gradient steps of the model on windows of the replay, then four times:
imagine from the states of other windows, PPO on what was imagined.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.imagination import Imagination
from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.latents import LatentState, sample_classes
from marlbench.toolbox.memory_budget import rows_within
from marlbench.toolbox.optimisers import Adam
from marlbench.toolbox.pictures import strip
from marlbench.toolbox.policies import gumbel_noise
from marlbench.toolbox.ppo import PPOBatch
from marlbench.toolbox.saving import Part, parts_of, restore, seeded, state_of
from marlbench.toolbox.training import descend, to_floats
from marlbench_mamba.config import MambaConfig
from marlbench_mamba.foresight import divergence, drawn, foresee
from marlbench_mamba.imagination import advantages, imagine
from marlbench_mamba.networks import Actor, Critic
from marlbench_mamba.policy import PolicyLearner
from marlbench_mamba.replay import Batch, ChainedReplay, fields
from marlbench_mamba.world_model import States, WorldModel


class Mamba:
    """The learner, as the host knows it."""

    def __init__(self, config: MambaConfig, spec: EnvSpec, seed: int, device: str) -> None:
        self.config, self.spec, self.seed, self.device = config, spec, seed, device
        with seeded(seed):
            self.model = WorldModel(config, spec).to(device)
            actor, critic = Actor(config, spec).to(device), Critic(config, spec).to(device)
        self.policy = PolicyLearner(config, actor, critic)
        self.optimiser = Adam(self.model.parameters(), config.model_lr, fused=True)
        rows = rows_within(config.replay_gib, fields(spec), config.buffer, config.min_buffer)
        self.replay = ChainedReplay(spec, rows, not config.bootstrap_timeouts)
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.waiting = 0  # episodes, or their steps, since the last update
        self.updates = 0

    # Acting

    def start(self, num_envs: int) -> LatentState:
        """The policy's empty state for num_envs copies."""
        agents, c = self.spec.num_agents, self.config
        return LatentState.zeros(num_envs, agents, c.deter, c.latents, self.device)

    @torch.no_grad()
    def act(
        self, step: Step, policy_state: LatentState, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[np.int64], LatentState]:
        """Actions (E, A), sampled or the likeliest; the agents hear each other."""
        before = policy_state.on(self.device)
        uniform = torch.from_numpy(rng.random(before.z.shape, dtype=np.float32))  # (E, A, K)
        h, z = self.filter(step, before, uniform.to(self.device))
        avail = torch.from_numpy(step.avail).to(self.device)
        policy = self.policy.actor(h, z, avail)  # (E, A, U)
        if explore:
            policy = policy + gumbel_noise(rng, step.avail.shape).to(self.device)
        action = policy.argmax(-1)  # (E, A)
        return action.cpu().numpy(), LatentState(h, z, action)

    def filter(self, step: Step, before: LatentState, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """The states h (E, A, D), z (E, A, K) once a step is seen; a first step forgets all."""
        h, probs = self.infer(step.obs, step.first, before)
        return h, sample_classes(probs, uniform)

    def infer(
        self, obs: NDArray[Any], first: NDArray[np.bool_], before: LatentState
    ) -> tuple[Tensor, Tensor]:
        """H (E, A, D) and the posterior (E, A, K, C) once (E, A, *O) is seen after a state."""
        fresh = torch.from_numpy(first).to(self.device)[:, None, None]
        h = self.model.next(before.h, before.z, before.action, fresh=fresh)
        return h, self.model.infer(h, torch.from_numpy(obs).to(self.device))

    # Learning

    def observe(self, step: Step, actions: NDArray[np.int64]) -> None:
        """Keep a training step and the actions taken at it."""
        ended = self.replay.observe(step, actions, self.rng)
        if len(self.replay) >= self.config.min_buffer:
            self.waiting += sum(ended) if self.config.update_steps else len(ended)

    def update(self) -> dict[str, float] | None:
        """Learn if enough episodes, or steps of them, have ended; the metrics of the last time."""
        metrics: dict[str, Tensor] = {}
        every = self.config.update_steps or self.config.update_episodes
        while self.waiting >= every:
            self.waiting -= every
            metrics = self.learn()
            self.updates += 1
        return to_floats(metrics) or None

    def learn(self) -> dict[str, Tensor]:
        """So many steps of the model, then of actor and critic in its imagination."""
        before = 0 if self.updates else self.config.pretrain
        for _ in range(before + self.config.model_updates):
            model_metrics = self.train_model(self.batch())
        for _ in range(self.config.agent_updates):
            metrics = self.train_agent(self.batch())
        return model_metrics | metrics

    def batch(self) -> Batch:
        """Windows of the replay."""
        windows = self.replay.sample(self.rng, self.config.batch, self.config.length)
        return Batch.of(windows).to(self.device)

    def uniform(self, batch: Batch) -> Tensor:
        """Random numbers (T-1, B, A, K) for the states of a batch."""
        steps, *rest = batch.reward.shape
        shape = (steps - 1, *rest, self.config.latents)
        return torch.rand(shape, generator=self.generator, device=self.device)

    def train_model(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step of the world model."""
        steps, windows, agents = batch.reward.shape
        attention, dropout = self.model.transition.attention, self.config.dropout
        keep = attention.draw(steps, windows * agents, dropout, self.generator)
        loss, terms = self.model.loss(batch, self.model.observe(batch, self.uniform(batch), keep))
        norm = descend(loss, self.optimiser, self.config.max_grad_norm)
        metrics = {f"model_{name}": term.detach() for name, term in terms.items()}
        return metrics | {"model_loss": loss.detach(), "model_grad_norm": norm}

    def train_agent(self, batch: Batch) -> dict[str, Tensor]:
        """PPO on what is imagined from every state that a batch leads to."""
        return self.learn_from(*self.imagined(batch))

    def imagined(self, batch: Batch) -> tuple[PPOBatch, dict[str, Tensor]]:
        """What the policy decides in imagination from every state of a batch, and its means."""
        with torch.no_grad():
            states = self.model.observe(batch, self.uniform(batch))
        actor, horizon = self.policy.actor, self.config.horizon
        rollout = imagine(self.model, actor, starts(states), horizon, self.generator)
        advantage, target = advantages(self.policy.critic, rollout, self.config)
        means = {"imagined_reward": rollout.reward.mean(), "imagined_value": target.mean()}
        return rollout.batch(advantage, target), means

    def learn_from(self, data: PPOBatch, means: dict[str, Tensor]) -> dict[str, Tensor]:
        """PPO on what was imagined."""
        return self.policy.learn(data, self.generator) | means

    def phases(self) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Learn once from one batch; as each phase ends give its name, and its metrics."""
        batch = self.batch()
        yield "sample", {}
        yield "model", self.train_model(batch)
        data, means = self.imagined(batch)
        yield "imagination", means
        yield "PPO", self.learn_from(data, means)

    # Showing

    @torch.no_grad()
    def imagine(
        self, seen: Step, actions: NDArray[np.int64], rng: np.random.Generator
    ) -> Imagination:
        """What follows on steps (C, B, ...) under actions (C + H - 1, B, A)."""
        state, taken = self.start(seen.first.shape[1]), torch.from_numpy(actions).to(self.device)
        for obs, first, action in zip(seen.obs, seen.first, taken, strict=False):
            h, probs = self.infer(obs, first, state)
            z = sample_classes(probs, drawn(rng, state.z.shape, h.device))
            state = LatentState(h, z, action)
        kl = divergence(probs, self.model.foresee(h))  # (B, A)
        imagined = foresee(self.model, h, z, taken[len(seen.first) - 1 :], rng)
        return replace(imagined, kl=kl.cpu().numpy())

    @torch.no_grad()
    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Images that the agents saw of late, above what is decoded of them."""
        length = self.config.length
        if not self.model.images or len(self.replay) < length:
            return {}
        rows = self.replay.windows(np.array([self.replay.written - length]), length)
        batch = Batch.of(rows).to(self.device)
        decoded = self.model.told(self.model.observe(batch, uniform=None)).obs  # (T-1, 1, A, *O)
        real = batch.real[:-1, 0].bool()  # the decoder does not learn absorbing rows
        if not real.any():
            return {}
        return {"decoded": strip(batch.obs[:-1, 0][real], decoded[:, 0][real])}

    # Saving

    def parts(self) -> dict[str, Part]:
        """What a checkpoint holds."""
        own = ("model", "optimiser", "replay", "rng", "generator")
        return parts_of(self, *own, counts=("waiting", "updates")) | self.policy.parts()

    def state(self) -> dict[str, Any]:
        """Everything to go on exactly."""
        return state_of(self.parts())

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        restore(self.parts(), state, self.seed)


def starts(states: States) -> tuple[Tensor, Tensor]:
    """States h (R, A, D), z (R, A, K) in which imagination begins: all of a batch."""
    return states.h[:-1].flatten(0, 1), states.z.flatten(0, 1)
