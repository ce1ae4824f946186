"""Multi-Agent Transformer, Wen et al. 2022, arXiv:2205.14953v3, as its public code runs it.

pi(a^m | o, a^<m)   policy of agent m, given all observations and earlier actions  `decoder`
V(o^m)              value of agent m, in normalised units                          `encoder`
A_t                 advantage, per agent                    [Eq. 16 of GAE]        `advantages`
L                   clipped surrogate, value, entropy       [Eq. 4, Eq. 5]         `loss`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marlbench.plugin import EnvSpec, Step
from marlbench.toolbox.normalise import ValueNorm, standardise
from marlbench.toolbox.policies import (
    UNAVAILABLE,
    entropy,
    gumbel_noise,
    log_prob,
    masked_log_probs,
)
from marlbench.toolbox.policy_losses import ppo_clip
from marlbench.toolbox.rollout import Rollout, Rows, Stream, stream_gae
from marlbench.toolbox.value_losses import clipped_huber
from marlbench_mat.config import MatConfig
from marlbench_mat.networks import Decoder, Encoder, Prepared

Batch = dict[str, Tensor]
"""N joint steps: fields (N, A, ...)."""


class Mat:
    """The learner."""

    def __init__(self, config: MatConfig, spec: EnvSpec, seed: int, device: str) -> None:
        self.config, self.spec, self.seed, self.device = config, spec, seed, device
        sizes = (spec.num_agents, config.embedding, config.layers, config.heads)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Encoder(spec.obs_shape, *sizes)
            self.decoder = Decoder(spec.num_actions, *sizes)
        self.transformer = nn.ModuleList([self.encoder, self.decoder]).to(device)
        self.value_norm = ValueNorm(config.value_norm_beta).to(device)
        self.optimiser = torch.optim.Adam(
            self.transformer.parameters(), lr=config.lr, eps=config.adam_eps, fused=True
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.rollout = Rollout(config.rollout_steps)
        self.ready: Prepared | None = None  # follows from the parameters; gone when they change

    # --------------------------------------------------------------------------------- acting

    def start(self, num_envs: int) -> None:
        """The policy's state: MAT has no recurrence, and carries nothing from step to step."""

    @torch.no_grad()
    def act(
        self, step: Step, policy_state: None, rng: np.random.Generator, explore: bool
    ) -> tuple[NDArray[np.int64], None]:
        """Sample actions (E, A) agent by agent, or take the likeliest [Eq. 5]."""
        shift = (
            gumbel_noise(rng, step.avail.shape).to(self.device)
            if explore
            else torch.zeros((), device=self.device)
        )
        shift = shift.where(self.tensor(step.avail), UNAVAILABLE)  # (E, A, U)

        def choose(logits: Tensor, agent: int) -> Tensor:
            """The likeliest action (E,), or by Gumbel noise a random one."""
            return (logits + shift[:, agent]).argmax(-1)

        if self.ready is None:
            self.ready = self.decoder.prepared()
        representation = self.encoder.representation(self.tensor(step.obs))  # (E, A, D)
        actions = self.decoder.decode(self.ready, representation, choose)
        return actions.cpu().numpy(), None

    def tensor(self, array: NDArray[Any]) -> Tensor:
        """The array on the learner's device."""
        return torch.as_tensor(array, device=self.device)

    # ------------------------------------------------------------------------------ collecting

    def observe(self, step: Step, actions: NDArray[np.int64]) -> None:
        """Keep the row; what acting knew of it is computed again, by `behaviour`."""
        expected = (self.config.num_envs, self.spec.num_agents)
        assert actions.shape == expected, f"actions {actions.shape}, expected {expected}"
        row = {name: getattr(step, name) for name in ("obs", "avail", "alive", "reward")}
        row |= {name: getattr(step, name) for name in ("last", "terminal")}
        row["first"] = step.first | step.info.get("crashed", False)  # no action leads to a cut
        self.rollout.add(row | {"action": actions})

    @torch.no_grad()
    def behaviour(self, rows: Rows) -> Rows:
        """Log-probabilities and values (R, E, A) of rows that these parameters acted on.

        The parameters change only in `update`, so one pass with the actions known gives what
        a pass per step would have given.
        """
        flat = {name: self.tensor(rows[name]).flatten(0, 1) for name in ("obs", "avail", "action")}
        notes: dict[str, list[Tensor]] = {"log_prob": [], "value": []}
        for block in self.blocks(flat):
            log_probs, value = self.evaluate(block)  # (N, A, U), (N, A)
            notes["log_prob"].append(log_prob(log_probs, block["action"]))
            notes["value"].append(value)
        shape = rows["action"].shape  # (R, E, A)
        return {name: torch.cat(note).view(shape).cpu().numpy() for name, note in notes.items()}

    def evaluate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-probabilities (N, A, U), given the actions of the agents before; values (N, A)."""
        representation = self.encoder.representation(batch["obs"])  # (N, A, D)
        logits = self.decoder(batch["action"], representation)  # (N, A, U)
        return masked_log_probs(logits, batch["avail"]), self.encoder.value(representation)

    # -------------------------------------------------------------------------------- learning

    def update(self) -> dict[str, float] | None:
        """Learn once every copy has a whole rollout."""
        if not self.rollout.ready:
            return None
        self.rollout.note(self.behaviour(self.rollout.unnoted()))
        return self.train(self.batch(self.rollout.take(["reward", "last", "terminal", "value"])))

    def advantages(self, stream: Stream) -> tuple[Tensor, Tensor]:
        """A_t and V_t (T, E, A) in units of reward [Eq. 16 of GAE].

        A real end is worth nothing, and so is a time-out unless `bootstrap_timeouts`; the cut
        after T steps is worth the next row's value. A dead agent goes on to collect reward.
        """
        gamma = self.config.gamma
        value, next_value = (
            self.value_norm.denormalise(self.tensor(rows["value"]))
            for rows in (stream.now, stream.next)
        )  # (T, E, A)
        end = stream.next["terminal" if self.config.bootstrap_timeouts else "last"]  # (T, E)
        bootstrap = gamma * next_value * self.tensor(~end)[..., None]
        discount = gamma * self.tensor(stream.goes_on)[..., None]  # (T, E, 1)
        reward = self.tensor(stream.next["reward"])  # (T, E, A)
        return stream_gae(reward, discount, value, bootstrap, self.config.gae_lambda), value

    def batch(self, stream: Stream) -> Batch:
        """Everything that training needs of a stream: N = T * E joint steps."""
        advantage, value = self.advantages(stream)  # (T, E, A)
        names = ("obs", "avail", "alive", "action", "log_prob", "value")
        fields = {name: self.tensor(stream.now[name]) for name in names}
        fields["advantage"] = standardise(advantage, fields["alive"])
        fields["target"] = advantage + value
        return {name: field.flatten(0, 1) for name, field in fields.items()}

    def train(self, batch: Batch) -> dict[str, float]:
        """Several passes over a batch; the means of what they report."""
        log = [
            self.improve(part)
            for _ in range(self.config.epochs)
            for part in self.minibatches(batch)
        ]
        means = torch.stack([torch.stack(list(entry.values())) for entry in log]).mean(0)
        return dict(zip(log[0], means.tolist(), strict=True))

    def minibatches(self, batch: Batch) -> Iterator[Batch]:
        """The batch in equal parts of joint steps in random order; as it is if it is one part.

        Each with the weights (N, A) of its entries: in the policy's means, in the value's.
        """
        parts, count = self.config.minibatches, len(batch["action"])
        order = torch.randperm(count, generator=self.generator).to(self.device)
        for index in order[: count // parts * parts].chunk(parts):
            part = {name: field[index] for name, field in batch.items()} if parts > 1 else batch
            yield weighed(part)

    def blocks(self, batch: Batch) -> Iterator[Batch]:
        """The batch in parts of at most `block` joint steps, as equal as can be."""
        count = -(-len(batch["action"]) // self.config.block)
        for part in zip(*(field.chunk(count) for field in batch.values()), strict=True):
            yield dict(zip(batch, part, strict=True))

    def improve(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step, after the targets' moments were updated."""
        self.value_norm.update(batch["target"])
        self.optimiser.zero_grad()
        reports = []
        for block in self.blocks(batch):
            loss, report = self.loss(block)
            loss.backward()
            reports.append(report)
        norm = nn.utils.clip_grad_norm_(self.transformer.parameters(), self.config.max_grad_norm)
        self.optimiser.step()
        self.ready = None
        sums = {name: torch.stack([r[name] for r in reports]).sum() for name in reports[0]}
        return sums | {"grad_norm": norm}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Surrogate [Eq. 5] and value error [Eq. 4] less the entropy bonus.

        Of a part of a minibatch: its share of the means over living agents, for the value over
        all agents.
        """
        log_probs, value = self.evaluate(batch)  # (N, A, U), (N, A)
        new, clip = log_prob(log_probs, batch["action"]), self.config.clip
        surrogate = ppo_clip(new, batch["log_prob"], batch["advantage"], clip)
        target = self.value_norm.normalise(batch["target"])
        error = clipped_huber(value, batch["value"], target, clip, self.config.huber_delta)
        ratio = (new - batch["log_prob"]).exp()
        report = {
            "policy_loss": (surrogate * batch["living"]).sum(),
            "entropy": (entropy(log_probs) * batch["living"]).sum(),
            "value_loss": (error * batch["all"]).sum(),
            "ratio": (ratio * batch["all"]).sum(),
        }
        loss = report["policy_loss"] - self.config.entropy_coef * report["entropy"]
        loss = loss + self.config.value_coef * report["value_loss"]
        return loss, {name: entry.detach() for name, entry in report.items()}

    # ---------------------------------------------------------------------------------- saving

    @property
    def parts(self) -> dict[str, Any]:
        """What has a `state_dict`."""
        return {
            "transformer": self.transformer,
            "value_norm": self.value_norm,
            "optimiser": self.optimiser,
        }

    def state(self) -> dict[str, Any]:
        """Everything needed to go on exactly, an unfinished rollout too."""
        return {name: part.state_dict() for name, part in self.parts.items()} | {
            "generator": self.generator.get_state(),
            "rollout": self.rollout.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.ready = None
        self.generator.set_state(state["generator"])
        self.rollout.load(state["rollout"])


def weighed(batch: Batch) -> Batch:
    """The batch with weights (N, A) that sum to 1: `living` over living agents, `all` over all."""
    alive = batch["alive"].float()
    return batch | {"living": alive / alive.sum(), "all": torch.full_like(alive, 1 / alive.numel())}
