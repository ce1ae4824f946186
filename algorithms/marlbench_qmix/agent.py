"""QMIX, Rashid et al. 2018, arXiv:1803.11485v2, as PyMARL2 tunes it (hijkzzz/pymarl2 at 8ccac7c).

Q_a     utility of agent a, from its own history            `utility`
Q_tot   joint value, monotonic in every Q_a       [Eq. 5]   `mixer`
y_tot   target: TD(lambda) by slow networks       [Eq. 6]   `target`
theta   weights that learn; theta^-, a copy of long ago     `live`, `slow`
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marlbench.plugin import EnvSpec, Ring, Step
from marlbench.toolbox.episode_replay import EpisodeReplay, Episodes
from marlbench.toolbox.exploration import epsilon_greedy, greedy, keyed_uniforms, linear_schedule
from marlbench.toolbox.td_targets import td_lambda_targets
from marlbench_qmix.config import QmixConfig
from marlbench_qmix.networks import Networks

__all__ = ["Memory", "Qmix"]


@dataclass(frozen=True)
class Memory:
    """What acting remembers."""

    hidden: NDArray[np.float32]
    """(E, A, D) states of the recurrent network."""
    action: NDArray[np.int64]
    """(E, A) last actions."""
    seed: int
    """Key of the random draws."""
    count: int
    """Number of the next draw."""


@dataclass(frozen=True)
class Batch:
    """Packed episodes (see `Episodes`) as tensors: N rows, M steps, padded to T x B for targets."""

    obs: Tensor
    """(N, A, *O)."""
    state: Tensor | None
    """(N, S), where the task has one."""
    avail: Tensor
    """(N, A, U)."""
    action: Tensor
    """(N, A) taken after each row; means nothing after an episode's last row."""
    last_action: Tensor
    """(N, A) taken before; U: none."""
    reward: Tensor
    """(T, B, 1) of each step."""
    discount: Tensor
    """(T, B, 1) gamma, 0 where the step's end is real."""
    valid: Tensor
    """(T, B, 1) whether the step is real, not padding."""
    steps: Tensor
    """(M,) rows from which a step was taken; its outcome is row B and on, in order."""
    places: Tensor
    """(M,) where each step is among the T B padded ones."""
    sizes: list[int]
    """Rows of each time; the first is B."""


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
        self.replay = EpisodeReplay(fields(spec), spec.episode_limit, capacity(config, spec))
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

    def start(self, num_envs: int) -> Memory:
        """Give the memory of an episode's beginning for E copies.

        Its draws begin where those of a start at an earlier env step cannot have come.
        """
        agents = (num_envs, self.spec.num_agents)
        hidden = np.zeros((*agents, self.config.hidden), np.float32)
        none = np.full(agents, self.spec.num_actions)
        return Memory(hidden, none, self.seed, count=self.env_steps)

    def act(self, step: Step, memory: Memory, explore: bool) -> tuple[NDArray[np.int64], Memory]:
        """Choose actions (E, A): the best by each agent's own utility, or epsilon-greedily."""
        last_action, hidden = memory.action, memory.hidden  # (E, A), (E, A, D)
        if step.first.any():
            fresh = step.first[:, None]  # (E, 1)
            last_action = np.where(fresh, self.spec.num_actions, last_action)
            hidden = np.where(fresh[..., None], np.float32(0), hidden)
        with torch.inference_mode():
            seen = (self.tensor(array) for array in (step.obs, last_action, hidden))
            q, h = (each.cpu().numpy() for each in self.live.utility(*seen))
        if explore:
            agents, choices = last_action.shape, self.spec.num_actions + 1
            uniforms = keyed_uniforms(memory.seed, memory.count, (*agents, choices))
            action = epsilon_greedy(q, step.avail, self.epsilon, uniforms)
        else:
            action = greedy(q, step.avail)
        return action, replace(memory, hidden=h, action=action, count=memory.count + 1)

    # --- remembering --------------------------------------------------------------------------

    def observe(self, step: Step, actions: NDArray[np.int64]) -> None:
        """Add a row to each copy's episode; a finished one goes to the replay.

        The step into a crash was never answered: its episode is cut before it.
        """
        crashed = np.asarray(step.info.get("crashed", np.zeros_like(step.last)))  # (E,)
        reward = step.reward.sum(-1) if self.spec.reward == "individual" else step.reward[:, 0]
        rows = {"obs": step.obs, "avail": step.avail, "action": actions, "reward": reward}
        if step.state is not None:
            rows["state"] = step.state
        time = self.replay.append(rows, step.first)  # (E,)
        self.env_steps += int((~step.first & ~crashed).sum())
        for copy in step.last.nonzero()[0]:
            length = int(time[copy]) - int(crashed[copy])
            self.replay.finish(copy, length, bool(step.terminal[copy]))

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
        state = seen_state(batch, embedding)[batch.steps]  # (M, S)
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
        value = self.slow.mixer(q_a, seen_state(batch, embedding)[first:])  # (M, 1)
        padded = value.new_zeros(batch.valid.numel(), value.shape[-1])  # (T B, 1)
        padded[batch.places] = value
        next_value = padded.view(*batch.valid.shape[:2], -1)  # (T, B, 1)
        targets = td_lambda_targets(
            batch.reward, batch.discount, next_value, batch.valid, self.config.td_lambda
        )
        return targets.flatten(0, 1)[batch.places]  # (M, 1)

    def batch(self, episodes: Episodes) -> Batch:
        """Lay drawn episodes out for the learner, on its device."""
        rows, length, first = episodes.rows, episodes.length, episodes.sizes[0]
        steps = (episodes.time < length[episodes.episode]).nonzero()[0]  # (M,)
        places = episodes.time[steps] * first + episodes.episode[steps]  # (M,)
        action = rows["action"].astype(np.int64)  # (N, A)
        last_action = np.full_like(action, self.spec.num_actions)
        last_action[first:] = action[steps]
        valid = np.arange(length[0])[:, None] < length  # (T, B)
        reward = np.zeros(valid.shape, np.float32)
        reward.ravel()[places] = rows["reward"][first:]
        discount = np.full(valid.shape, self.config.gamma, np.float32)
        discount[length - 1, np.arange(first)] *= ~episodes.terminal
        tensor = self.tensor
        return Batch(
            obs=tensor(rows["obs"]),
            state=tensor(rows["state"]) if "state" in rows else None,
            avail=tensor(rows["avail"]),
            action=tensor(action),
            last_action=tensor(last_action),
            reward=tensor(reward)[..., None],
            discount=tensor(discount)[..., None],
            valid=tensor(valid)[..., None],
            steps=tensor(steps),
            places=tensor(places),
            sizes=episodes.sizes,
        )

    def tensor(self, array: NDArray[Any]) -> Tensor:
        """Give an array's tensor on the device."""
        return torch.from_numpy(array).to(self.device)

    # --- saving -------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Give all that learning depends on."""
        learner = {name: getattr(self, name).state_dict() for name in ("live", "slow", "optimiser")}
        return {
            "learner": deepcopy(learner),
            "replay": Ring(self.replay.ring, self.replay.written),
            "unfinished": self.replay.unfinished(),
            "draws": self.draws.bit_generator.state,
            "counts": {name: getattr(self, name) for name in COUNTS},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        for name, saved in state["learner"].items():
            getattr(self, name).load_state_dict(saved)
        ring: Ring = state["replay"]
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


def seen_state(batch: Batch, embedding: Tensor) -> Tensor:
    """Give the mixer's states (N, S): the task's, or else what all agents see, detached."""
    return embedding.detach().flatten(1) if batch.state is None else batch.state.flatten(1)


def fields(spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], str]]:
    """Give shape and type of what the replay holds for every row."""
    agents = spec.num_agents
    state = {"state": (spec.state_shape, "float32")} if spec.state_shape else {}
    return {
        "obs": ((agents, *spec.obs_shape), spec.obs_dtype),
        "avail": ((agents, spec.num_actions), "bool"),
        "action": ((agents,), "int16"),
        "reward": ((), "float32"),
        **state,
    }


def capacity(config: QmixConfig, spec: EnvSpec) -> int:
    """Give the episodes that the replay holds; ValueError if that is less than a batch."""
    sizes = (np.prod(shape) * np.dtype(kind).itemsize for shape, kind in fields(spec).values())
    fitting = int(config.replay_gib * 2**30 / (sum(sizes) * (spec.episode_limit + 1)))
    if fitting < config.batch_episodes:
        raise ValueError(
            f"replay_gib={config.replay_gib:g} holds {fitting} episodes of this task, fewer than "
            f"batch_episodes={config.batch_episodes}: raise the one or lower the other"
        )
    return min(config.replay_episodes, fitting)
