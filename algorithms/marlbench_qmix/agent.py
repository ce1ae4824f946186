"""QMIX, Rashid et al. 2018, arXiv:1803.11485v2, as PyMARL2 tunes it (hijkzzz/pymarl2 at 8ccac7c).

Q_a     utility of agent a, from its own history            `utility`
Q_tot   joint value, monotonic in every Q_a       [Eq. 5]   `mixer`
y_tot   target: TD(lambda) by slow networks       [Eq. 6]   `target`
theta   weights that learn; theta^-, a copy of long ago     `live`, `slow`
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marlbench.plugin import EnvSpec, ReplayBuffer, Step
from marlbench.toolbox.episode_batch import Batch, capacity, episode_fields, lay_out, record
from marlbench.toolbox.episode_replay import EpisodeReplay, Episodes
from marlbench.toolbox.exploration import linear_schedule
from marlbench.toolbox.recurrent_acting import PolicyState, act, beginning
from marlbench_qmix.config import QmixConfig
from marlbench_qmix.networks import Networks

__all__ = ["PolicyState", "Qmix"]


class Qmix:
    """QMIX, VDN or IQL: `config.mixer` says which."""

    def __init__(self, config: QmixConfig, spec: EnvSpec, seed: int, device: str) -> None:
        """Draw the weights from the seed and reserve the replay; ValueError if it is too small."""
        self.config, self.spec, self.seed = config, spec, seed
        self.device = torch.device(device)
        self.live = drawn(config, spec, seed).to(self.device)
        self.slow = deepcopy(self.live).requires_grad_(False)
        self.optimiser = torch.optim.Adam(
            self.live.parameters(), config.learning_rate, eps=config.adam_epsilon, fused=True
        )
        room = capacity(spec, config.replay_episodes, config.replay_gib, config.batch_episodes)
        self.replay = EpisodeReplay(episode_fields(spec), spec.episode_limit, room)
        self.draws = np.random.default_rng(seed)
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

    # --- remembering --------------------------------------------------------------------------

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
        loss, metrics = self.loss(self.batch(episodes))
        self.optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.live.parameters(), self.config.max_grad_norm)
        self.optimiser.step()
        metrics |= {"loss": loss.detach(), "grad_norm": norm}
        values = torch.stack(list(metrics.values())).tolist()  # one wait for the device
        return dict(zip(metrics, values, strict=True))

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Half the squared TD error of Q_tot, mean over real steps [Eq. 6]."""
        utility = self.live.utility
        embedding = utility.embed(batch.obs)  # (N, A, D)
        inputs = utility.inputs(embedding, batch.last_action)  # (N, A, I)
        q = utility.unroll(inputs, batch.sizes)  # (N, A, U)
        target = self.target(batch, inputs, q.detach())  # (M, 1)
        q_a = q.gather(-1, batch.action[..., None]).squeeze(-1)[batch.steps]  # (M, A)
        state = batch.seen_state(embedding)[batch.steps]  # (M, S)
        q_tot = self.live.mixer(q_a, state)  # (M, 1)
        error = q_tot - target
        metrics = {"q_taken": q_tot.detach().mean(), "target": target.mean()}
        metrics["td_error"] = error.detach().abs().mean()
        return 0.5 * error.square().mean(), metrics

    @torch.no_grad()
    def target(self, batch: Batch, inputs: Tensor, q: Tensor) -> Tensor:
        """y_tot = TD(lambda) of Q_tot(s', argmax by live, valued by slow networks) [Eq. 6].

        Departs: double Q-learning and lambda-returns in place of the one-step maximum, as PyMARL2.
        """
        utility, first = self.slow.utility, batch.sizes[0]
        embedding = utility.embed(batch.obs)  # (N, A, D)
        if utility.sees_images:
            inputs = utility.inputs(embedding, batch.last_action)  # (N, A, I)
        slow_q = utility.unroll(inputs, batch.sizes)[first:]  # (M, A, U)
        best = q[first:].masked_fill(~batch.avail[first:], -torch.inf).argmax(-1, True)  # (M, A, 1)
        q_a = slow_q.gather(-1, best).squeeze(-1)  # (M, A)
        value = self.slow.mixer(q_a, batch.seen_state(embedding)[first:])  # (M, 1)
        return batch.targets(value, self.config.td_lambda)

    def batch(self, episodes: Episodes) -> Batch:
        """Lay drawn episodes out for the learner, on its device."""
        return lay_out(episodes, self.config.gamma, self.spec.num_actions, self.device)

    # --- saving -------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Give all that learning depends on."""
        learner = {name: getattr(self, name).state_dict() for name in ("live", "slow", "optimiser")}
        return {
            "learner": deepcopy(learner),
            "replay": ReplayBuffer(self.replay.ring, self.replay.written),
            "unfinished": self.replay.unfinished(),
            "draws": self.draws.bit_generator.state,
            "counts": {name: getattr(self, name) for name in COUNTS},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        for name, saved in state["learner"].items():
            getattr(self, name).load_state_dict(saved)
        ring: ReplayBuffer = state["replay"]
        self.replay.restore(ring.arrays, ring.written, state["unfinished"])
        self.draws.bit_generator.state = state["draws"]
        for name in COUNTS:
            setattr(self, name, state["counts"][name])


COUNTS = ("env_steps", "next_update", "copied")


def drawn(config: QmixConfig, spec: EnvSpec, seed: int) -> Networks:
    """Build the networks with weights drawn from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Networks(config, spec)
