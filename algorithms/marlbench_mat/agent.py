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
from marlbench.toolbox.optimisers import Adam
from marlbench.toolbox.policies import (
    UNAVAILABLE,
    entropy,
    gumbel_noise,
    log_prob,
    masked_log_probs,
)
from marlbench.toolbox.ppo import clipped_huber, equal_parts, ppo_clip
from marlbench.toolbox.rollout import Notes, Rollout, Rows, Stream, stream_advantages
from marlbench.toolbox.saving import Part, restore, seeded, state_of
from marlbench.toolbox.training import clipped_step, means, to_floats
from marlbench_mat.config import MatConfig
from marlbench_mat.networks import Decoder, Encoder, Prepared

Batch = dict[str, Tensor]
"""N joint steps: fields (N, A, ...)."""


class Mat:
    """The learner."""

    def __init__(self, config: MatConfig, spec: EnvSpec, seed: int, device: str) -> None:
        self.config, self.spec, self.seed, self.device = config, spec, seed, device
        sizes = (spec.num_agents, config.embedding, config.layers, config.heads)
        with seeded(seed):
            self.encoder = Encoder(spec.obs_shape, *sizes)
            self.decoder = Decoder(spec.num_actions, *sizes)
        self.transformer = nn.ModuleList([self.encoder, self.decoder]).to(device)
        self.value_norm = ValueNorm(config.value_norm_beta).to(device)
        self.optimiser = Adam(
            self.transformer.parameters(), lr=config.learning_rate, eps=config.adam_eps, fused=True
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
        self.rollout.observe(step, actions)

    @torch.no_grad()
    def behaviour(self, rows: Rows) -> Notes:
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
        return {name: torch.cat(note).view(shape) for name, note in notes.items()}

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
        """A_t and V_t (T, E, A) in units of reward [Eq. 16 of GAE]; each agent has its value."""
        advantage, value = stream_advantages(stream, self.value_norm, self.config)
        return advantage.squeeze(-1), value.squeeze(-1)

    def batch(self, stream: Stream) -> Batch:
        """Everything that training needs of a stream: N = T * E joint steps."""
        advantage, value = self.advantages(stream)  # (T, E, A)
        names = ("obs", "avail", "alive", "action")
        fields = stream.noted | {name: self.tensor(stream.now[name]) for name in names}
        fields["advantage"] = standardise(advantage, fields["alive"])
        fields["target"] = advantage + value
        return {name: field.flatten(0, 1) for name, field in fields.items()}

    def train(self, batch: Batch) -> dict[str, float]:
        """Several passes over a batch; the means of what they report."""
        passes = (self.minibatches(batch) for _ in range(self.config.epochs))
        return to_floats(means([self.improve(part) for each in passes for part in each]))

    def minibatches(self, batch: Batch) -> Iterator[Batch]:
        """One pass over a batch, in equal parts of joint steps in random order.

        Each with the weights (N, A) of its entries: in the policy's means, in the value's.
        """
        parts = equal_parts(len(batch["action"]), self.config.minibatches, self.generator)
        for index in parts:
            yield weighed({name: field[index] for name, field in batch.items()})

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
        norm = clipped_step(self.optimiser, self.config.max_grad_norm)
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

    def parts(self) -> dict[str, Part]:
        """What a checkpoint holds, an unfinished rollout too."""
        names = ("transformer", "value_norm", "optimiser", "generator", "rollout")
        return {name: getattr(self, name) for name in names}

    def state(self) -> dict[str, Any]:
        """Everything needed to go on exactly."""
        return state_of(self.parts())

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave; the decoder is prepared anew."""
        restore(self.parts(), state, self.seed)
        self.ready = None


def weighed(batch: Batch) -> Batch:
    """The batch with weights (N, A) that sum to 1: `living` over living agents, `all` over all."""
    alive = batch["alive"].float()
    return batch | {"living": alive / alive.sum(), "all": torch.full_like(alive, 1 / alive.numel())}
