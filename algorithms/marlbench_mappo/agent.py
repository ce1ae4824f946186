"""MAPPO, Yu et al. 2022, arXiv:2103.01955v4, as its public code runs it.

pi      policy of every agent, from its own history            `actor`, `decision`
V       value, in normalised units, from the critic's view     `critic`
A_t     advantage                                 [Eq. 16 of GAE]  `advantages`
L(pi)   clipped surrogate and entropy bonus       [App. A]     `policy_loss`
L(V)    clipped Huber error of the value          [App. A]     `value_loss`

One critic's view serves G of the A agents: the team's state serves all of them (G = A), an agent's
own state or observation itself alone (G = 1). A copy of the environment has C = A / G views.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.decisions import Policy, decision
from marlbench.toolbox.normalise import ValueNorm, standardise
from marlbench.toolbox.optimisers import Adam
from marlbench.toolbox.ppo import clipped_huber, equal_parts, ppo_clip
from marlbench.toolbox.rollout import Notes, Rollout, Rows, Stream, stream_advantages
from marlbench.toolbox.saving import Attributes, Part, restore, seeded, state_of
from marlbench.toolbox.training import descend, means, to_floats
from marlbench_mappo.config import MappoConfig
from marlbench_mappo.networks import Network, RecurrentNetwork
from marlbench_mappo.sequences import Sequences

PolicyState = Tensor
"""(E * A, D): the actor's recurrent states."""


class Mappo:
    """The learner."""

    def __init__(self, config: MappoConfig, spec: EnvSpec, seed: int, device: str) -> None:
        self.config, self.spec, self.seed, self.device = config, spec, seed, device
        shared = config.central_value and not spec.own_states
        self.views = 1 if shared else spec.num_agents  # C
        with seeded(seed):
            self.actor = self.network(spec.obs_shape, spec.num_actions, config.action_gain)
            self.critic = self.network(self.view_shape, 1, gain=1.0)
        self.decision = decision(spec).to(device)
        self.actor.add_module("decision", self.decision)  # what it learns is the actor's
        self.value_norm = ValueNorm(config.value_norm_beta).to(device)
        self.actor_optimiser = self.adam(self.actor, config.actor_lr)
        self.critic_optimiser = self.adam(self.critic, config.critic_lr)
        self.generator = torch.Generator().manual_seed(seed)
        self.rollout = Rollout(config.rollout_steps)
        self.actor_state = self.start(config.num_envs)  # (E * A, D) after the noted rows
        self.critic_state = self.critic_zeros(config.num_envs)  # (E * C, D)

    # ------------------------------------------------------------------------------- building

    def network(self, shape: tuple[int, ...], outputs: int, gain: float) -> Network:
        """An actor or a critic for inputs of this shape."""
        kind = RecurrentNetwork if self.config.recurrent else Network
        sizes = {"hidden": self.config.hidden, "extra_layers": self.config.extra_layers}
        return kind(shape, outputs, gain=gain, **sizes).to(self.device)

    def adam(self, network: nn.Module, lr: float) -> Adam:
        """The network's own optimiser."""
        eps = self.config.adam_eps
        return Adam(network.parameters(), lr=lr, eps=eps, fused=True)

    @property
    def view_shape(self) -> tuple[int, ...]:
        """What a critic sees: a state, all observations side by side, or its agent's own."""
        obs, state = self.spec.obs_shape, self.spec.state_shape
        if not self.config.central_value:
            return obs
        if state is not None:
            return state[-1:]
        agents = self.spec.num_agents
        return (agents, *obs) if len(obs) == 3 else (agents * obs[0],)

    def critic_zeros(self, num_envs: int) -> Tensor:
        """States (E * C, D) of critics that have seen nothing."""
        return torch.zeros(num_envs * self.views, self.critic.state_size, device=self.device)

    # --------------------------------------------------------------------------------- acting

    def start(self, num_envs: int) -> PolicyState:
        """The policy's state for copies that stand on a first step."""
        rows = num_envs * self.spec.num_agents
        return torch.zeros(rows, self.actor.state_size, device=self.device)

    @torch.no_grad()
    def act(
        self, step: Step, policy_state: PolicyState, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[Any], PolicyState]:
        """Sample actions (E, A, *), or take the likeliest."""
        obs = self.tensor(step.obs)[None]  # (1, E, A, *O)
        state = policy_state.to(self.device)  # a run may go on elsewhere than where it was saved
        avail = self.tensor(step.avail)[None]  # (1, E, A, U)
        policy, states = self.policy(obs, avail, self.tensor(~step.first)[None], state)
        if explore:
            noise = self.decision.noise(rng, step.avail.shape)  # (E, A, U)
            actions = policy.sample(noise.to(self.device))  # (1, E, A, *)
        else:
            actions = policy.mode()  # (1, E, A, *)
        return actions[0].cpu().numpy(), states[-1]

    def policy(
        self, obs: Tensor, avail: Tensor, keep: Tensor, state: Tensor
    ) -> tuple[Policy, Tensor]:
        """The policy of agents (T, N, G) and states (T, N * G, D).

        From obs (T, N, G, *O), avail (T, N, G, U), keep (T, N) and states before (N * G, D).
        """
        agents = obs.shape[2]
        outputs, states = self.actor(
            obs.flatten(1, 2), keep.repeat_interleave(agents, dim=1), state
        )  # (T, N * G, U), (T, N * G, D)
        return self.decision(outputs.unflatten(1, (-1, agents)), avail), states

    def tensor(self, array: NDArray[Any]) -> Tensor:
        """The array on the learner's device."""
        return torch.as_tensor(array, device=self.device)

    # ------------------------------------------------------------------------------ collecting

    def observe(self, step: Step, actions: NDArray[Any]) -> None:
        """Keep the row; what acting knew of it is computed again, by `behaviour`."""
        has_state = self.spec.state_shape is not None
        self.rollout.observe(step, actions, self.config.central_value and has_state)

    @torch.no_grad()
    def behaviour(self, rows: Rows) -> Notes:
        """Log-probabilities, values and states of rows (R, E, ...) that these parameters acted on.

        The parameters change only in `update`, so one pass over whole rows gives what a pass
        per step would have given.
        """
        keep = self.tensor(~rows["first"])  # (R, E)
        obs, avail = self.tensor(rows["obs"]), self.tensor(rows["avail"])
        policy, states = self.policy(obs, avail, keep, self.actor_state)
        view = self.view(rows)  # (R, E, C, *S)
        value, critic_states = self.critic(
            view.flatten(1, 2), keep.repeat_interleave(self.views, dim=1), self.critic_state
        )  # (R, E * C, 1), (R, E * C, D)
        before = torch.cat([self.actor_state[None], states[:-1]])  # (R, E * A, D)
        critic_before = torch.cat([self.critic_state[None], critic_states[:-1]])  # (R, E * C, D)
        self.actor_state, self.critic_state = states[-1].clone(), critic_states[-1].clone()
        return {
            "log_prob": policy.log_prob(self.tensor(rows["action"])),  # (R, E, A)
            "value": value.squeeze(-1).unflatten(1, (-1, self.views)),  # (R, E, C)
            "actor_state": before.unflatten(1, (-1, self.spec.num_agents)),  # (R, E, A, D)
            "critic_state": critic_before.unflatten(1, (-1, self.views)),  # (R, E, C, D)
        }

    def view(self, rows: Rows) -> Tensor:
        """What the critics see of rows (R, E, ...): (R, E, C, *S)."""
        seen = self.tensor(rows["state" if "state" in rows else "obs"])
        return seen.reshape(*seen.shape[:2], self.views, *self.view_shape)

    # -------------------------------------------------------------------------------- learning

    def update(self) -> dict[str, float] | None:
        """Learn once every copy has a whole rollout."""
        if not self.rollout.ready:
            return None
        self.rollout.note(self.behaviour(self.rollout.unnoted()))
        return self.train(
            self.sequences(self.rollout.take(["reward", "last", "terminal", "value"]))
        )

    def advantages(self, stream: Stream) -> tuple[Tensor, Tensor]:
        """A_t (T, E, C, G) in units of reward, and V_t (T, E, C, 1) [Eq. 16 of GAE]."""
        return stream_advantages(stream, self.value_norm, self.config)

    def sequences(self, stream: Stream) -> Sequences:
        """Everything that training needs of a stream, cut into chunks."""
        advantage, value = self.advantages(stream)  # (T, E, C, G), (T, E, C, 1)
        seen = {name: self.tensor(stream.now[name]) for name in ("obs", "avail", "alive", "action")}
        noted = {name: stream.noted[name] for name in ("log_prob", "actor_state")}
        now = {
            name: field.unflatten(2, (self.views, -1))  # (T, E, C, G, ...)
            for name, field in (seen | noted).items()
        }
        whole = Sequences(
            **now,
            advantage=standardise(advantage, now["alive"]),
            target=advantage + value,
            view=self.view(stream.now),
            old_value=stream.noted["value"][..., None],
            critic_state=stream.noted["critic_state"],
            keep=self.tensor(~stream.now["first"])[..., None].expand(-1, -1, self.views),
        )
        return whole.chunks(self.config.chunk if self.config.recurrent else 1)

    def train(self, batch: Sequences) -> dict[str, float]:
        """Several passes over a batch; the means of what they report."""
        return to_floats(
            means(
                [
                    self.improve_policy(part) | self.improve_value(part)
                    for _ in range(self.config.epochs)
                    for part in self.minibatches(batch)
                ]
            )
        )

    def minibatches(self, batch: Sequences) -> Iterator[Sequences]:
        """One pass over a batch, in equal parts of chunks in random order."""
        return map(batch.rows, equal_parts(len(batch), self.config.minibatches, self.generator))

    def improve_policy(self, batch: Sequences) -> dict[str, Tensor]:
        """One step of the actor's optimiser."""
        loss, report = self.policy_loss(batch)
        norm = descend(loss, self.actor_optimiser, self.config.max_grad_norm)
        return report | {"actor_grad_norm": norm}

    def improve_value(self, batch: Sequences) -> dict[str, Tensor]:
        """One step of the critic's optimiser, after the targets' moments were updated."""
        self.value_norm.update(batch.target)
        loss = self.value_loss(batch)
        norm = descend(loss, self.critic_optimiser, self.config.max_grad_norm)
        return {"value_loss": loss.detach(), "critic_grad_norm": norm}

    def policy_loss(self, batch: Sequences) -> tuple[Tensor, dict[str, Tensor]]:
        """Clipped surrogate less entropy bonus, means over the living [App. A; Eq. 7 of PPO]."""
        before = batch.actor_state[0].flatten(0, 1)  # (N * G, D)
        policy, _ = self.policy(batch.obs, batch.avail, batch.keep, before)
        new = policy.log_prob(batch.action)  # (L, N, G)
        surrogate = ppo_clip(new, batch.log_prob, batch.advantage, self.config.clip)
        share = batch.alive / batch.alive.sum()  # (L, N, G)
        policy_loss, bonus = (surrogate * share).sum(), (policy.entropy() * share).sum()
        ratio = (new.detach() - batch.log_prob).exp().mean()
        report = {"policy_loss": policy_loss.detach(), "entropy": bonus.detach(), "ratio": ratio}
        return policy_loss - self.config.entropy_coef * bonus, report

    def value_loss(self, batch: Sequences) -> Tensor:
        """Mean clipped Huber error over all agents, dead ones too [App. A]."""
        value, _ = self.critic(batch.view, batch.keep, batch.critic_state[0])  # (L, N, 1)
        target = self.value_norm.normalise(batch.target)  # (L, N, G)
        old = batch.old_value  # (L, N, 1)
        clip, delta = self.config.clip, self.config.huber_delta
        return clipped_huber(value, old, target, clip, delta).mean()

    # ---------------------------------------------------------------------------------- saving

    def parts(self) -> dict[str, Part]:
        """What a checkpoint holds, an unfinished rollout too."""
        names = ("actor", "critic", "value_norm", "actor_optimiser", "critic_optimiser")
        carried = Attributes(self, "actor_state", "critic_state")
        learnt = {name: getattr(self, name) for name in names}
        return {**learnt, "generator": self.generator, "rollout": self.rollout, "carried": carried}

    def state(self) -> dict[str, Any]:
        """Everything needed to go on exactly."""
        return state_of(self.parts())

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        restore(self.parts(), state, self.seed)
