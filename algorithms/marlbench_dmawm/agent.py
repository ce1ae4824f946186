"""DMAWM: learn a world model from play, and the policy in its imagination [section 4].

Every 32 env steps: sample windows, one gradient step of the model [Eq. 3], imagine from the states
that it then gives of the same windows [section 4.3], PPO on what was imagined [Eqs. 7-9].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marlbench.imagination import Imagination
from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.latents import latent_kl, sample_classes
from marlbench.toolbox.memory_budget import rows_within
from marlbench.toolbox.optimisers import Adam
from marlbench.toolbox.pictures import COLUMNS, strip
from marlbench.toolbox.ppo import ImaginedRollout
from marlbench.toolbox.saving import Part, parts_of, restore, seeded, state_of
from marlbench.toolbox.sequence_replay import SequenceReplay
from marlbench.toolbox.training import descend, to_floats
from marlbench_dmawm.absorbing import Batch, absorbed, ends, fields, relabel
from marlbench_dmawm.config import Config
from marlbench_dmawm.foresight import drawn, foresee
from marlbench_dmawm.imagination import Start, advantages, imagine
from marlbench_dmawm.networks import Actor, Critic
from marlbench_dmawm.policy import PolicyLearner
from marlbench_dmawm.world_model import States, WorldModel


@dataclass(frozen=True)
class PolicyState:
    """What each agent carries from step to step while acting."""

    h: Tensor
    """(E, A, D)."""
    z: Tensor
    """(E, A, K) class indices."""
    action: Tensor
    """(E, A, *)."""

    def on(self, device: str) -> PolicyState:
        """The same on a device: a run may go on elsewhere than where it was saved."""
        return PolicyState(self.h.to(device), self.z.to(device), self.action.to(device))


class Dmawm:
    """The learner, as the host knows it."""

    def __init__(self, config: Config, spec: EnvSpec, seed: int, device: str) -> None:
        self.config, self.spec, self.seed, self.device = config, spec, seed, device
        with seeded(seed):
            self.model = WorldModel(config, spec).to(device)
            actor, critic = Actor(config, spec).to(device), Critic(config, spec).to(device)
        self.policy = PolicyLearner(config, actor, critic)
        self.optimiser = Adam(
            self.model.parameters(), config.model_lr, eps=config.model_eps, fused=True
        )
        least = config.num_envs * config.length
        room = rows_within(config.replay_gib, fields(spec), config.buffer, least)
        self.replay = SequenceReplay(room, config.num_envs, fields(spec))
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.env_steps = 0
        self.updates = 0

    # Acting

    def start(self, num_envs: int) -> PolicyState:
        """The policy's empty state for num_envs copies."""
        agents, c = (num_envs, self.spec.num_agents), self.config
        h = torch.zeros(*agents, c.deter, device=self.device)
        z = torch.zeros(*agents, c.latents, dtype=torch.int64, device=self.device)
        nothing = np.zeros((num_envs, *self.spec.action_shape), self.spec.action_dtype)
        return PolicyState(h, z, torch.from_numpy(nothing).to(self.device))

    @torch.no_grad()
    def act(
        self, step: Step, policy_state: PolicyState, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[Any], PolicyState]:
        """Each agent's action from its own history: sampled, or greedy [section 4.1]."""
        before = policy_state.on(self.device)
        uniform = torch.from_numpy(rng.random(before.z.shape, dtype=np.float32)).to(self.device)
        actor = self.policy.actor
        noise = actor.decision.noise(rng, step.avail.shape).to(self.device)
        h, z = self.filter(step, before, uniform)
        avail = torch.from_numpy(step.avail).to(self.device)
        policy = actor(h, z, avail)
        action = policy.sample(noise) if explore else policy.mode()  # (E, A, *)
        return action.cpu().numpy(), PolicyState(h, z, action)

    def filter(self, step: Step, before: PolicyState, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """The agents' states h (E, A, D), z (E, A, K) once they see a step [Eq. 1]."""
        h, log_q = self.infer(step.obs, step.first, before)
        return h, sample_classes(log_q.exp(), uniform)

    def infer(
        self, obs: NDArray[Any], first: NDArray[np.bool_], before: PolicyState
    ) -> tuple[Tensor, Tensor]:
        """H (E, A, D) and log q (E, A, K, C) of what is seen (E, A, *O) after a state [Eq. 1]."""
        module = self.model.agent
        h = module.next(before.h, before.z, before.action)  # (E, A, D)
        begins = torch.from_numpy(first).to(self.device)[:, None, None]
        h = torch.where(begins, module.first_state(), h)
        return h, module.infer(h, module.embed(torch.from_numpy(obs).to(self.device)))

    # Learning

    def observe(self, step: Step, actions: NDArray[Any]) -> None:
        """Keep a training step and the actions taken at it."""
        self.replay.add(relabel(step, actions, self.spec, self.config.bootstrap_timeouts))
        self.env_steps += int((~step.last).sum())

    @property
    def due(self) -> int:
        """Training steps that the env steps seen so far call for [section 5.1]."""
        since = self.env_steps - self.config.warmup
        return 0 if since < 0 else since // self.config.train_every + 1

    def update(self) -> dict[str, float] | None:
        """Train as often as is due; the metrics of the last time."""
        metrics: dict[str, Tensor] = {}
        while self.updates < self.due:
            if self.updates == 0:
                self.pretrain()
            metrics = self.train()
            self.updates += 1
        return to_floats(metrics) or None

    def pretrain(self) -> None:
        """Train the model alone, so that the policy's first lessons are not noise."""
        if self.model.agent.images and self.config.centre_images:
            self.model.agent.centre(self.replay.arrays["obs"][: self.replay.written])
        if not self.model.agent.images and self.config.small_rewards:
            self.model.measure(self.replay.arrays["reward"][: self.replay.written])
        for _ in range(self.config.pretrain):
            self.train_model(self.sample_batch())

    def train(self) -> dict[str, Tensor]:
        """One training step of the model and, in its imagination, of the policy."""
        metrics: dict[str, Tensor] = {}
        for _, found in self.phases():
            metrics |= found
        return metrics

    def phases(self) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Take a training step; as each phase of it ends give its name, and its metrics."""
        batch = self.sample_batch()
        yield "sample", {}
        yield "model", self.train_model(batch)
        rollout = self.imagined(self.imagination_start(batch))
        advantage, target = advantages(self.policy.critic, rollout, self.config, self.spec)
        unit = self.model.reward_unit
        imagined = {
            "imagined_reward": unit * rollout.reward.mean(),
            "imagined_value": unit * target.mean(),
        }
        data = rollout.batch(advantage, target)
        yield "imagination", {}
        yield "PPO", self.policy.learn(data, self.generator) | imagined

    def sample_batch(self) -> Batch:
        """Windows of the replay with their absorbing states [section 4.2]."""
        c = self.config
        tail = c.tail if c.absorbing_state else 0
        windows = self.replay.sample(self.rng, c.batch, c.length, tail)
        return absorbed(windows, self.spec, c).to(self.device)

    def encode(self, batch: Batch) -> States:
        """The states of a batch, z drawn of the posterior."""
        return self.model.observe(batch, self.uniform(batch))

    def uniform(self, batch: Batch) -> Tensor:
        """Random numbers (T, B, A, K) for the states of a batch."""
        shape = (*batch.reward.shape, self.config.latents)
        return torch.rand(shape, generator=self.generator, device=self.device)

    def train_model(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step of the world model [Eq. 3]."""
        loss, terms = self.model_loss(batch)
        norm = descend(loss, self.optimiser, self.config.model_grad_norm)
        metrics = {f"model_{name}": term.detach() for name, term in terms.items()}
        return metrics | {"model_loss": loss.detach(), "model_grad_norm": norm}

    def model_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The world model's objective and its terms [Eq. 3]."""
        return self.model.loss(batch, self.encode(batch))

    @torch.no_grad()
    def imagination_start(self, batch: Batch) -> Start:
        """The batch's own states, all of them or as many as `rollouts` [section 4.3].

        They are encoded anew, by the model as it is after its gradient step [code]. Ends and what
        stands behind them are no beginnings. Fewer than all are drawn without replacement among
        the rows with an agent left; all stay in order otherwise, 16 x 64 being the paper's 1024.
        """
        states = self.encode(batch)
        decided = batch.seen * batch.present  # (T, B, A)
        if not ends(self.config):
            decided = decided.amax(-1, keepdim=True).expand_as(decided)
        weight = decided.flatten(0, 1)  # (T B, A)
        rows = torch.arange(len(weight), device=self.device)
        if self.config.rollouts < len(weight):
            chance = weight.amax(-1) + 1e-6  # never without enough rows to draw
            rows = chance.multinomial(self.config.rollouts, generator=self.generator)
        return Start(
            h=states.h.flatten(0, 1)[rows],
            z=states.z.flatten(0, 1)[rows],
            avail=batch.avail.flatten(0, 1)[rows],
            weight=weight[rows],
        )

    def imagined(self, start: Start) -> ImaginedRollout:
        """Rollouts of the policy in the model [section 4.3]."""
        horizon = self.config.horizon
        return imagine(self.model, self.policy.actor, start, horizon, self.generator)

    # Showing

    @torch.no_grad()
    def imagine(self, seen: Step, actions: NDArray[Any], rng: np.random.Generator) -> Imagination:
        """What follows on steps (C, B, ...) under actions (C + H - 1, B, A, *) [Figure 4]."""
        state, taken = self.start(seen.first.shape[1]), torch.from_numpy(actions).to(self.device)
        for obs, first, action in zip(seen.obs, seen.first, taken, strict=False):
            h, log_q = self.infer(obs, first, state)
            z = sample_classes(log_q.exp(), drawn(rng, state.z.shape, h.device))
            state = PolicyState(h, z, action)
        alive = torch.from_numpy(seen.alive).to(self.device)  # (C, B, A)
        among = None if self.config.absorbing_state else alive[-2:][0]
        kl = latent_kl(log_q, self.model.environment.prior(h, among))  # (B, A)
        ahead = taken[len(seen.first) - 1 :]
        imagined = foresee(self.model, (h, z), ahead, alive[-1], rng)
        return replace(imagined, kl=kl.cpu().numpy())

    @torch.no_grad()
    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Images that the agents of copy 0 saw of late, above what is decoded of them [Eq. 2]."""
        c = self.config
        if not self.model.agent.images or not self.replay.written:
            return {}
        batch = absorbed(self.replay.newest(c.length), self.spec, c).to(self.device)
        states = self.model.observe(batch, uniform=None)
        h, z = (x[-COLUMNS:, 0] for x in (states.h, states.z))
        decoded = self.model.environment.decode(h, z)  # (T, A, *O)
        pixels = decoded + self.model.agent.mean_image
        return {"decoded": strip(batch.obs[-COLUMNS:, 0], pixels)}

    # Saving

    def parts(self) -> dict[str, Part]:
        """What a checkpoint holds."""
        own = ("model", "optimiser", "replay", "rng", "generator")
        return parts_of(self, *own, counts=("env_steps", "updates")) | self.policy.parts()

    def state(self) -> dict[str, Any]:
        """Everything to go on exactly."""
        return state_of(self.parts())

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        restore(self.parts(), state, self.seed)
