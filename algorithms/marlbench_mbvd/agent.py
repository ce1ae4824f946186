"""MBVD, Xu et al. 2022, arXiv:2204.09418: QMIX whose mixer also sees an imagined future.

Q_a     utility of agent a, from its own history                   `live.utility`
s^_t    foresight: what a few imagined steps add to the state      `foresight`
Q_tot   joint value, monotonic in every Q_a, of s_t and s^_t       `live.mixer`
y_t     one-step target by slow networks                           `target`
theta   weights that learn; theta^-, a copy of long ago            `live` and `model`; `slow`
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marlbench.plugin import EnvSpec, ReplayBuffer, Step
from marlbench.toolbox.episode_batch import Batch, capacity, episode_fields, lay_out, record
from marlbench.toolbox.episode_replay import EpisodeReplay, Episodes
from marlbench.toolbox.exploration import linear_schedule
from marlbench.toolbox.generators import restore_generator, saved_generator
from marlbench.toolbox.mixers import MonotonicMixer
from marlbench.toolbox.recurrent_acting import PolicyState, act, beginning
from marlbench.toolbox.utility import Utility
from marlbench_mbvd.config import MbvdConfig
from marlbench_mbvd.latent_model import LatentModel
from marlbench_mbvd.losses import Encoding, Noise, model_terms, transitions

__all__ = ["Mbvd", "PolicyState"]


class Values(nn.Module):
    """The agents' shared utility network and the mixer of their values, as QMIX has them."""

    def __init__(self, config: MbvdConfig, spec: EnvSpec) -> None:
        """Build for the task's shapes; without a state of its own, what all agents see is it."""
        super().__init__()
        agents, sizes = spec.num_agents, (config.mixer_embed, config.mixer_hyper)
        self.utility = Utility(spec, config.hidden, config.image_features)
        self.state_features = math.prod(spec.state_shape or (agents, self.utility.features))
        self.mixer = MonotonicMixer(agents, 2 * self.state_features, *sizes)


class SlowPass(NamedTuple):
    """What the slow networks make of a batch."""

    states: Tensor
    """(N, A, D) recurrent states."""
    q: Tensor
    """(N, A, U) utilities."""
    state: Tensor
    """(N, S) what their mixer sees, foresight apart."""


class Mbvd:
    """Value decomposition with foresight."""

    def __init__(self, config: MbvdConfig, spec: EnvSpec, seed: int, device: str) -> None:
        """Draw the weights from the seed and reserve the replay; ValueError if it is too small."""
        self.config, self.spec, self.seed = config, spec, seed
        self.device = torch.device(device)
        live, model = drawn(config, spec, seed)
        self.live, self.model = live.to(self.device), model.to(self.device)
        self.slow = deepcopy(self.live).requires_grad_(False)
        self.weights = [*self.live.parameters(), *self.model.parameters()]
        self.optimiser = torch.optim.RMSprop(
            self.weights, config.learning_rate, config.rmsprop_decay, config.rmsprop_epsilon
        )
        room = capacity(spec, config.replay_episodes, config.replay_gib, config.batch_episodes)
        self.replay = EpisodeReplay(episode_fields(spec), spec.episode_limit, room)
        self.draws = np.random.default_rng(seed)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.env_steps = 0
        self.next_update = float(config.batch_episodes)  # in finished episodes
        self.copied = 0  # finished episodes at the last copy to `slow`

    @property
    def epsilon(self) -> float:
        """Chance of a random action now."""
        config = self.config
        start, finish = config.epsilon_start, config.epsilon_finish
        return linear_schedule(self.env_steps, start, finish, config.epsilon_anneal_steps)

    # --- acting -------------------------------------------------------------------------------

    def start(self, num_envs: int) -> PolicyState:
        """Give the policy's state at an episode's beginning for E copies."""
        return beginning(self.spec, self.config.hidden, num_envs)

    def act(
        self, step: Step, policy_state: PolicyState, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[np.int64], PolicyState]:
        """Choose actions (E, A): the best by each agent's own utility, or epsilon-greedily."""
        epsilon = self.epsilon if explore else None
        return act(self.live.utility, step, policy_state, rng, epsilon)

    def observe(self, step: Step, actions: NDArray[np.int64]) -> None:
        """Add a row to each copy's episode; a finished one goes to the replay."""
        self.env_steps += record(self.replay, self.spec, step, actions)

    # --- learning -----------------------------------------------------------------------------

    def update(self) -> dict[str, float] | None:
        """Learn from a draw for every `episodes_per_update` episodes that have been finished."""
        metrics: dict[str, float] = {}
        finished = self.replay.written
        while finished >= self.next_update:
            self.next_update += self.config.episodes_per_update
            metrics = self.learn(self.replay.sample(self.draws, self.config.batch_episodes))
            if finished - self.copied >= self.config.target_update_episodes:
                self.slow.load_state_dict(self.live.state_dict())
                self.copied = finished
        return metrics | {"epsilon": self.epsilon} if metrics else None

    def learn(self, episodes: Episodes) -> dict[str, float]:
        """Take one gradient step on these episodes."""
        batch = self.batch(episodes)
        return self.descend(self.loss(batch, self.noise(batch)))

    def batch(self, episodes: Episodes) -> Batch:
        """Lay drawn episodes out for the learner, on its device."""
        return lay_out(episodes, self.config.gamma, self.spec.num_actions, self.device)

    def descend(self, terms: dict[str, Tensor]) -> dict[str, float]:
        """Take a gradient step on the sum of all terms, values and model together."""
        loss = torch.stack(list(terms.values())).sum()
        self.optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.weights, self.config.max_grad_norm)
        self.optimiser.step()
        metrics = {**terms, "loss": loss, "grad_norm": norm}
        numbers = torch.stack(list(metrics.values())).tolist()  # one wait for the device
        return dict(zip(metrics, numbers, strict=True))

    def loss(self, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """Squared TD error of Q_tot [L_RL] and the latent model's terms, all of weight 1."""
        utility = self.live.utility
        embedding = utility.embed(batch.obs)  # (N, A, D)
        inputs = utility.inputs(embedding, batch.last_action)  # (N, A, I)
        states = utility.states(inputs, batch.sizes)  # (N, A, D)
        q = utility.values(states)  # (N, A, U)
        slow = self.slow_pass(batch, inputs)
        history = self.history(states, slow)  # (N, A, D)
        encoding = Encoding(history, self.model.posterior(history))
        best = greedy(q, batch.avail)  # (N, A)
        foresight = self.foresight(encoding.posterior.mean, best)  # (N, S)
        q_a = q.gather(-1, batch.action[..., None]).squeeze(-1)[batch.steps]  # (M, A)
        parts = batch.seen_state(embedding), foresight  # (N, S) each
        state = torch.cat([part[batch.steps] for part in parts], -1)  # (M, 2 S)
        error = self.live.mixer(q_a, state) - self.target(batch, slow, best, foresight)  # (M, 1)
        terms = model_terms(self.config, self.model, batch, encoding, noise)
        return {"td": error.square().mean(), **terms}

    @torch.no_grad()
    def slow_pass(self, batch: Batch, inputs: Tensor) -> SlowPass:
        """Let the slow networks read the batch; of vectors, what the live ones read (N, A, I)."""
        utility = self.slow.utility
        embedding = utility.embed(batch.obs)  # (N, A, D)
        if utility.sees_images:
            inputs = utility.inputs(embedding, batch.last_action)  # (N, A, I)
        states = utility.states(inputs, batch.sizes)  # (N, A, D)
        return SlowPass(states, utility.values(states), batch.seen_state(embedding))

    def history(self, live: Tensor, slow: SlowPass) -> Tensor:
        """Give the recurrent states (N, A, D) that the latent model describes.

        The copy takes the slow network's and lets the backward pass go on into it, where the
        gradients reach weights that no optimiser has: they are not computed here.
        """
        if self.config.history == "slow":
            return slow.states
        return live if self.config.history_gradient else live.detach()

    @torch.no_grad()
    def target(self, batch: Batch, slow: SlowPass, best: Tensor, foresight: Tensor) -> Tensor:
        """Y (M, 1) = r + gamma Q_tot(s', s^', argmax by live, valued by slow networks) [L_RL]."""
        first = batch.sizes[0]
        q_a = slow.q.gather(-1, best[..., None]).squeeze(-1)  # (N, A)
        state = torch.cat([slow.state, foresight], -1)  # (N, 2 S)
        value = self.slow.mixer(q_a[first:], state[first:])  # (M, 1)
        return batch.targets(value, self.config.td_lambda)

    # --- imagining ----------------------------------------------------------------------------

    def foresight(self, latent: Tensor, action: Tensor) -> Tensor:
        """Give s^ (N, S), from latent states (N, J) and the first actions (N, A) on."""
        latents, _ = self.imagine(latent, action)
        return self.model.foresight(latents)

    def imagine(self, latent: Tensor, action: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Follow the prior's mean under greedy play: H + 1 latent states (N, J), H actions (N, A).

        Gradients go through the latent states, not through the choice of actions.
        """
        latents, actions = [latent], [action]
        for k in range(self.config.horizon):
            if k > 0:
                actions.append(self.imagined_action(latents[-1]))
            latents.append(self.model.expected_next(latents[-1], actions[-1]))
        return latents, actions

    @torch.no_grad()
    def imagined_action(self, latent: Tensor) -> Tensor:
        """Choose actions (N, A): the best by live values of the decoded histories."""
        q = self.live.utility.values(self.model.histories(latent))  # (N, A, U)
        return greedy(q, self.imagined_availability(latent))

    @torch.no_grad()
    def imagined_availability(self, latent: Tensor) -> Tensor:
        """Give actions (N, A, U) that are likelier available than not; if there is none, no-op.

        Departs: all of them in tasks that have no no-op, which the copy does not know.
        """
        available = self.model.availability(latent) >= 0
        none = ~available.any(-1, keepdim=True)  # (N, A, 1)
        noop = slice(None) if self.spec.noop is None else slice(self.spec.noop, self.spec.noop + 1)
        available[..., noop] |= none
        return available

    def noise(self, batch: Batch) -> Noise:
        """Draw the noise of an update."""
        latents = self.spec.num_agents * self.config.latent
        rows = (len(batch.action), len(transitions(batch, self.config.past_end).row))
        generator, device = self.generator, self.device
        return Noise(*(torch.randn(n, latents, generator=generator, device=device) for n in rows))

    # --- saving -------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Give all that learning depends on."""
        learner = {name: getattr(self, name).state_dict() for name in LEARNT}
        return {
            "learner": deepcopy(learner),
            "replay": ReplayBuffer(self.replay.ring, self.replay.written),
            "unfinished": self.replay.unfinished(),
            "draws": self.draws.bit_generator.state,
            "generator": saved_generator(self.generator),
            "counts": {name: getattr(self, name) for name in COUNTS},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        for name, saved in state["learner"].items():
            getattr(self, name).load_state_dict(saved)
        ring: ReplayBuffer = state["replay"]
        self.replay.restore(ring.arrays, ring.written, state["unfinished"])
        self.draws.bit_generator.state = state["draws"]
        restore_generator(self.generator, state["generator"], self.seed)
        for name in COUNTS:
            setattr(self, name, state["counts"][name])


LEARNT = ("live", "model", "slow", "optimiser")
COUNTS = ("env_steps", "next_update", "copied")


def drawn(config: MbvdConfig, spec: EnvSpec, seed: int) -> tuple[Values, LatentModel]:
    """Build the networks with weights drawn from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        values = Values(config, spec)
        return values, LatentModel(config, spec, values.state_features)


def greedy(q: Tensor, available: Tensor) -> Tensor:
    """Choose (N, A) the available action of the highest value (N, A, U)."""
    return q.detach().masked_fill(~available, -torch.inf).argmax(-1)
