"""QMIX, Rashid et al. 2018, arXiv:1803.11485v2, as PyMARL2 tunes it (hijkzzz/pymarl2 at 8ccac7c).

Q_a     utility of agent a, from its own history            `utility`
Q_tot   joint value, monotonic in every Q_a       [Eq. 5]   `mixer`
y_tot   targets: TD(lambda) by target networks    [Eq. 6]   `targets`
theta   weights that learn; theta^-, a copy of long ago     `online`, `target`

Acting, and when to learn and to copy, are every value learner's: `toolbox.value_learning`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from marlbench.plugin import EnvSpec
from marlbench.toolbox.episodes import Batch
from marlbench.toolbox.optimisers import Adam
from marlbench.toolbox.saving import Part, seeded
from marlbench.toolbox.training import descend
from marlbench_qmix.config import QmixConfig
from marlbench_qmix.networks import networks

__all__ = ["Qmix"]


class Qmix:
    """QMIX, VDN or IQL: `config.mixer` says which."""

    def __init__(self, config: QmixConfig, spec: EnvSpec, seed: int, device: str) -> None:
        """Draw the weights from the seed; ValueError for observations of no known shape."""
        self.config, self.spec, self.seed = config, spec, seed
        self.device = torch.device(device)
        with seeded(seed):
            self.online = networks(config, spec).to(self.device)
        self.target = self.online.frozen()
        self.optimiser = Adam(
            self.online.parameters(), config.learning_rate, eps=config.adam_eps, fused=True
        )

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """Take one gradient step on a batch of episodes."""
        loss, metrics = self.loss(batch)
        norm = descend(loss, self.optimiser, self.config.max_grad_norm)
        return metrics | {"loss": loss, "grad_norm": norm}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Half the squared TD error of Q_tot, mean over real steps [Eq. 6]."""
        utility = self.online.utility
        embedding = utility.embed(batch.obs)  # (N, A, D)
        inputs = utility.inputs(embedding, batch.last_action)  # (N, A, I)
        q = utility.unroll(inputs, batch.sizes)  # (N, A, U)
        targets = self.targets(batch, inputs, q.detach())  # (M, 1)
        q_a = q.gather(-1, batch.action[..., None]).squeeze(-1)[batch.steps]  # (M, A)
        state = batch.seen_state(embedding)[batch.steps]  # (M, S)
        q_tot = self.online.mixer(q_a, state)  # (M, 1)
        error = q_tot - targets
        metrics = {"q_taken": q_tot.detach().mean(), "target": targets.mean()}
        metrics["td_error"] = error.detach().abs().mean()
        return 0.5 * error.square().mean(), metrics

    @torch.no_grad()
    def targets(self, batch: Batch, inputs: Tensor, q: Tensor) -> Tensor:
        """y_tot = TD(lambda) of Q_tot(s', argmax by online, valued by target networks) [Eq. 6].

        Departs: double Q-learning and lambda-returns in place of the one-step maximum, as PyMARL2.
        """
        utility, first = self.target.utility, batch.sizes[0]
        embedding = utility.embed(batch.obs)  # (N, A, D)
        if utility.sees_images:
            inputs = utility.inputs(embedding, batch.last_action)  # (N, A, I)
        valued = utility.unroll(inputs, batch.sizes)[first:]  # (M, A, U)
        best = q[first:].masked_fill(~batch.avail[first:], -torch.inf).argmax(-1, True)  # (M, A, 1)
        q_a = valued.gather(-1, best).squeeze(-1)  # (M, A)
        value = self.target.mixer(q_a, batch.seen_state(embedding)[first:])  # (M, 1)
        return batch.targets(value, self.config.td_lambda)

    def parts(self) -> dict[str, Part]:
        """Give what a checkpoint holds."""
        return {"online": self.online, "target": self.target, "optimiser": self.optimiser}
